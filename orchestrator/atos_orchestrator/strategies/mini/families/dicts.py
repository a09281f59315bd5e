"""Dictionaries."""

from atos_orchestrator.strategies.mini.family import Family

FAMILIES = (
    Family(
        name="swap_dict",
        params="mapping",
        body="return {value: key for key, value in mapping.items()}",
        says="swap the keys and values of a dictionary",
        wordings=(
            "[swap|exchange|switch|flip] [the|] keys [and|with] [the|] values [of|in] a [dictionary|dict]",
            "[swap|exchange|switch] [the|] keys and values",
            "[invert|reverse|flip] a [dictionary|dict]",
            "[invert|reverse] the mapping of a dictionary",
            "turn the values of a [dictionary|dict] into [its|] keys",
            "make [the|] values of a dictionary [the|its] keys",
            "[dictionary|dict] inverter",
        ),
        cases=(({"a": 1},), ({"x": "y", "z": "w"},), ({},), ({"one": 1, "two": 2},), ({"k": "k"},)),
    ),
    Family(
        name="merge_dicts",
        params="first, second",
        body="return {**first, **second}",
        says="merge two dictionaries",
        wordings=(
            "[merge|combine|join] two [dictionaries|dicts]",
            "[merge|combine|join] two [dictionaries|dicts] into one [dictionary|dict|]",
            "[merge|combine|join] two [dictionaries|dicts] into a [single|new] [dictionary|dict]",
            "[merge|combine|join] two [dictionaries|dicts] together",
            "[merge|combine|join] [dictionaries|dicts]",
            "merge one dictionary into another [dictionary|]",
        ),
        cases=(
            ({"a": 1}, {"b": 2}),
            ({"a": 1}, {"a": 2}),
            ({}, {}),
            ({"x": 1}, {}),
            ({}, {"y": 3}),
            ({"p": 1, "q": 2}, {"q": 5, "r": 6}),
        ),
    ),
    Family(
        name="key_of_max",
        params="mapping",
        body="return max(mapping, key=mapping.get, default=None)",
        says="find the key with the largest value in a dictionary",
        wordings=(
            "[find|return|get|] the key with the [largest|highest|biggest|maximum|greatest] value [in a dictionary|of a dictionary|in a dict|]",
            "[find|return|get|] the key [of|for] the [largest|maximum|highest] value [in|of] a [dictionary|dict]",
            "[find|return|get|] the key whose value is [the|] [largest|highest|biggest] [in a dictionary|]",
            "[find|return|get|] the [dictionary|dict] key with the largest value",
            "which key [of a dictionary|in a dictionary|] has the [largest|highest] value",
        ),
        cases=(
            ({"a": 1, "b": 3},),
            ({"x": 0},),
            ({},),
            ({"p": -1, "q": -5},),
            ({"m": 2, "n": 9, "o": 4},),
        ),
        ordered=True,
    ),
    Family(
        name="sum_values",
        params="mapping",
        body="return sum(mapping.values())",
        says="sum the values of a dictionary",
        wordings=(
            "[sum|add up|total|sum up|add] [all|] the values [of|in] a [dictionary|dict]",
            "[compute|find|return|calculate|] the [sum|total] of [all|] the values [of|in] a [dictionary|dict]",
            "[sum|add up] [every|each] value [of|in] a [dictionary|dict]",
            "[compute|find|] the sum of a dictionary's values",
        ),
        cases=(({"a": 1, "b": 3},), ({"x": 0},), ({},), ({"p": -1, "q": 5},), ({"m": 10},)),
    ),
    Family(
        name="group_by_length",
        params="words",
        body=(
            "groups = {}\nfor word in words:\n"
            "    groups.setdefault(len(word), []).append(word)\nreturn groups"
        ),
        says="group words by their length",
        wordings=(
            "group [the|] [words|strings] by [their|] length",
            "group a list of [words|strings] by [their|] length",
            "group [the|] [words|strings] [of|in] a list by [their|] length",
            "group words by [the|] number of letters",
            "[build|make|create] a dictionary of words by length",
            "group words of the same length",
        ),
        cases=(
            (["a", "bb", "c"],),
            (["one", "two"],),
            ([],),
            (["x"],),
            (["aa", "b", "cc", "ddd"],),
        ),
    ),
)
