"""Lists: sorting, searching, counting."""

from atos_orchestrator.strategies.mini.family import Family

FAMILIES = (
    Family(
        name="sort_ascending",
        params="items",
        body="return sorted(items)",
        says="sort a list in ascending order",
        wordings=(
            "[sort|order|arrange] a[n|] [list|array] [of numbers|of integers|] in ascending order",
            "[sort|order] a list [of numbers|]",
            "[sort|order|arrange] a list [of numbers|] from [smallest to largest|low to high|lowest to highest]",
            "[sort|order|arrange] [the|] [numbers|items|elements] [of a list|in a list|] in ascending order",
            "[sort|order] [numbers|integers] from smallest to largest",
            "put a list in ascending order",
            "sort a list ascending",
            "ascending sort [of a list|]",
            "put [the|] [numbers|items|elements] of a list in ascending order",
        ),
        cases=(([3, 1, 2],), ([1],), ([],), ([5, -1, 5, 0],), (["b", "a"],)),
        ordered=True,
    ),
    Family(
        name="sort_descending",
        params="items",
        body="return sorted(items, reverse=True)",
        says="sort a list in descending order",
        wordings=(
            "[sort|order|arrange] a[n|] [list|array] [of numbers|of integers|] in [descending|reverse] order",
            "[sort|order|arrange] a list [of numbers|] from [largest to smallest|high to low|highest to lowest]",
            "[sort|order|arrange] [the|] [numbers|items|elements] [of a list|in a list|] in descending order",
            "[sort|order] [numbers|integers] from largest to smallest",
            "put a list in descending order",
            "sort a list [descending|backwards]",
            "descending sort [of a list|]",
            "put [the|] [numbers|items|elements] of a list in descending order",
        ),
        cases=(([1, 3, 2],), ([1],), ([],), ([5, -1, 5, 0],), (["a", "b"],)),
        ordered=True,
    ),
    Family(
        name="median",
        params="numbers",
        body=(
            "ordered = sorted(numbers)\nmiddle = len(ordered) // 2\nif len(ordered) % 2:\n"
            "    return ordered[middle]\nreturn (ordered[middle - 1] + ordered[middle]) / 2"
        ),
        says="compute the median of a list",
        wordings=(
            "[compute|find|return|calculate|get|] the median of a list [of numbers|of integers|]",
            "[compute|find|return|calculate|get|] the median of [all|] the [numbers|items|elements|values] in a list",
            "[compute|find|return|calculate|] the median of [some|] numbers",
            "[find|return|] the [middle|median] [value|number] of a [sorted|] list",
            "[find|return|calculate|] the median",
            "list median",
        ),
        cases=(([3, 1, 2],), ([1, 2, 3, 4],), ([5],), ([9, 1],), ([-1, -5, 7],)),
    ),
    Family(
        name="binary_search",
        params="items, target",
        body=(
            "low, high = 0, len(items) - 1\nwhile low <= high:\n    middle = (low + high) // 2\n"
            "    if items[middle] == target:\n        return middle\n"
            "    if items[middle] < target:\n        low = middle + 1\n"
            "    else:\n        high = middle - 1\nreturn -1"
        ),
        says="do a binary search in a sorted list",
        wordings=(
            "[do|perform|run|implement|] a binary search [in|on|over|of] a [sorted|] list",
            "[do|perform|run|implement|] [a|] binary search",
            "[search|find] a[n|] [item|value|element|number] in a sorted list [with|by|using] [a|] binary search",
            "search a [sorted|] list [with|by|using] [a|] binary search",
            "[find|return] the [index|position] of a[n|] [item|value|element|number] in a sorted list",
            "search a sorted list for a[n|] [item|value|element|number]",
        ),
        cases=(
            ([1, 3, 5], 3),
            ([1, 3, 5], 4),
            ([], 1),
            ([2], 2),
            ([1, 2, 3, 4, 5, 6], 6),
            ([1, 2, 3, 4, 5, 6], 1),
        ),
    ),
    Family(
        name="count_item",
        params="items, target",
        body="return items.count(target)",
        says="count how often an item occurs in a list",
        wordings=(
            "count how [often|many times] a[n|] [item|element|value|number] [occurs|appears|is] in a list",
            "how [often|many times] does a[n|] [item|element|value|number] [occur|appear] in a list",
            "count the occurrences of a[n|] [item|element|value|number] in a list",
            "[find|return|] the number of occurrences of a[n|] [item|element|value|number] in a list",
            "[find|return|] the number of times a[n|] [item|element|value] [occurs|appears] in a list",
            "count [one|a given] [item|element|value] in a list",
        ),
        cases=(([1, 2, 1], 1), ([1, 2], 3), ([], 0), (["a", "a", "a"], "a"), ([5, 6, 5, 5], 5)),
        ordered=True,
    ),
    Family(
        name="has_duplicates",
        params="items",
        body="return len(set(items)) < len(items)",
        says="check if a list has duplicates",
        wordings=(
            "[check if|test whether|tell if|determine whether] a list [has|contains] [any|] duplicates",
            "[check if|test whether|tell if] a list [has|contains] [any|] [duplicate|repeated|duplicated] [items|elements|values|numbers]",
            "[check if|test whether] there are [any|] duplicates in a list",
            "[check if|test whether] there are [any|] [duplicate|repeated] [items|elements|values] in a list",
            "check [a list|lists|] for [any|] duplicates",
            "[check if|test whether] an item [occurs|appears] [twice|more than once] in a list",
            "[detect|find out if there are] duplicates in a list",
            "duplicate [check|checker|detector]",
        ),
        cases=(([1, 2, 1],), ([1, 2, 3],), ([],), (["a", "b", "a"],), ([7, 7],)),
    ),
    Family(
        name="second_largest",
        params="numbers",
        body=("ordered = sorted(set(numbers))\nreturn ordered[-2] if len(ordered) > 1 else None"),
        says="find the second largest number in a list",
        wordings=(
            "[find|return|get|compute|] the second [largest|biggest|greatest|highest] [number|item|element|value|integer] [in|of] a[n|] [list|array]",
            "[find|return|get|] the second [largest|highest|biggest] of a list",
            "[find|return|get|] the second [largest|highest|biggest] [number|value]",
            "[find|return|get|] the second maximum of a list",
        ),
        cases=(([1, 5, 3],), ([7, 7, 2],), ([4],), ([],), ([-1, -2, -3],), ([10, 20],)),
    ),
    Family(
        name="is_sorted",
        params="items",
        body="return items == sorted(items)",
        says="check if a list is sorted",
        wordings=(
            "[check if|test whether|tell if|determine whether] a[n|] [list|array] is [already|] sorted",
            "[check if|test whether|tell if] a list is [sorted|] in ascending order",
            "[check if|test whether|tell if] a list is in order",
            "[check if|test whether] [the|] [numbers|items|elements] [of|in] a list are [sorted|in order|in ascending order]",
            "return true if a list is sorted",
            "sorted list [check|checker]",
            "check for a sorted list",
        ),
        cases=(([1, 2, 3],), ([3, 1],), ([],), ([5],), ([1, 1, 2],), ([3, 2, 1],)),
    ),
    Family(
        name="merge_sorted",
        params="first, second",
        body="return sorted(first + second)",
        says="merge two sorted lists",
        wordings=(
            "[merge|combine|join] two [sorted|ordered] [lists|arrays]",
            "[merge|combine|join] two sorted lists [into|to] one [sorted|] list",
            "[merge|combine|join] two sorted lists [into|to] a [single|] sorted list",
            "[merge|combine|join] two sorted lists in order",
            "[merge|combine] two lists into one sorted list",
            "merge sorted lists",
        ),
        cases=(([1, 3], [2, 4]), ([1], []), ([], []), ([1, 2], [0]), ([1, 5, 9], [5, 7])),
    ),
)
