"""What clauses say of their inputs in plain words, and the rows that a rule makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.debugging.error_inputs import (
    calls_one,
    lacks_what_is_said,
    methods_in,
    refused_calls,
    valid_calls,
)

CLAUSES = [
    ("an empty list raises ValueError in all of them", "spread", "values", ""),
    ("a text that is empty raises ValueError", "encode", "text, key", "encode('ab', 'k')"),
    ("an empty key raises ValueError", "encode", "text, key", "encode('ab', 'k')"),
    ("negative cents raise ValueError", "pay", "cents, tip", "pay(3, 2)"),
    ("a negative number of days raises ValueError", "add", "day, days", "add('2020-01-01', 3)"),
    ("a width below 1 raises ValueError", "wrap", "text, width", "wrap('a b', 3)"),
    ("a number above 3999 or below 1 raises ValueError", "roman", "n", "roman(3)"),
    ("dividing by zero raises ValueError", "divide", "a, b", "divide(4, 2)"),
    ("more than 3 words raise ValueError", "title", "text", "title('a')"),
    ("a size that is not negative raises ValueError", "shrink", "n", "shrink(-1)"),
    ("an unknown unit raises ValueError", "convert", "value, unit", "convert(1, 'm')"),
    ("an empty basket raises ValueError", "total", "basket", "total({'a': 1})"),
    ("an empty list raises ValueError", "merge", "left, right", "merge([1], [2])"),
    ("a text with a letter that is no numeral raises ValueError", "roman", "text", "roman('XIV')"),
    ("a letter other than a, c, g and t raises ValueError", "count", "dna", "count('zat')"),
    ("an unknown token raises ValueError", "evaluate", "expression", "evaluate('1 2 +')"),
    ("an invalid character raises ValueError", "parse", "text, base", "parse('12?', 10)"),
    ("a text without another letter raises ValueError", "pair", "text", "pair('ab')"),
    ("an unknown symbol raises KeyError", "price", "symbol, shares", "price('AB', 3)"),
    ("unknown letters raise ValueError", "match", "one, other", "match('a', 'b')"),
    ("another letter raises ValueError", "half", "size", "half(3)"),
    (
        "a pair whose end is before its start raises ValueError",
        "merge",
        "pairs",
        "merge([(5, 8), (1, 3)])",
    ),
    (
        "a trip that ends before it starts raises ValueError",
        "add",
        "trip",
        "add(('2020-01', '2020-02'))",
    ),
    (
        "a pair whose end is not before its start raises ValueError",
        "keep",
        "pairs",
        "keep([(1, 3)])",
    ),
    ("reversed pairs raise ValueError", "join", "pairs", "join([])"),
    ("low above high raises ValueError", "clamp", "value, low, high", "clamp([5, 6], 0, 10)"),
    ("a start later than the end raises ValueError", "book", "end_day, start_day", "book(9, 2)"),
    ("Rows of different lengths raise ValueError", "turn", "rows", "turn([[1, 2], [3, 4]])"),
    ("rows of unequal length raise ValueError", "mul", "a, b", "mul([[1, 2]], [[3], [4]])"),
    ("vectors that differ in length raise ValueError", "dot", "a, b", "dot([1, 2], [3, 4])"),
    ("texts of different lengths raise ValueError", "distance", "a, b", "distance('ab', 'ba')"),
    ("lists of different lengths raise ValueError", "pair", "a, b", "pair([1, 2], [1])"),
    ("a ragged matrix raises ValueError", "turn", "rows", "turn([[]])"),
    ("a start > end raises ValueError", "cut", "text, start, end", "cut('abc')"),
]


def test_the_words_of_a_clause_make_the_call_that_it_refuses() -> None:
    made = {
        f"{clause} | {known or name}": refused_calls(
            clause, name, parameters.split(", "), [known] if known else []
        )
        for clause, name, parameters, known in CLAUSES
    }

    assert made == snapshot(
        {
            "an empty list raises ValueError in all of them | spread": ["spread([])"],
            "a text that is empty raises ValueError | encode('ab', 'k')": ["encode('', 'k')"],
            "an empty key raises ValueError | encode('ab', 'k')": ["encode('ab', '')"],
            "negative cents raise ValueError | pay(3, 2)": ["pay(-1, 2)"],
            "a negative number of days raises ValueError | add('2020-01-01', 3)": [
                "add('2020-01-01', -1)"
            ],
            "a width below 1 raises ValueError | wrap('a b', 3)": ["wrap('a b', 0)"],
            "a number above 3999 or below 1 raises ValueError | roman(3)": [
                "roman(0)",
                "roman(4000)",
            ],
            "dividing by zero raises ValueError | divide(4, 2)": [],
            "more than 3 words raise ValueError | title('a')": [],
            "a size that is not negative raises ValueError | shrink(-1)": [],
            "an unknown unit raises ValueError | convert(1, 'm')": [],
            "an empty basket raises ValueError | total({'a': 1})": ["total({})"],
            "an empty list raises ValueError | merge([1], [2])": [],
            "a text with a letter that is no numeral raises ValueError | roman('XIV')": [
                "roman('XIZ')"
            ],
            "a letter other than a, c, g and t raises ValueError | count('zat')": ["count('zaq')"],
            "an unknown token raises ValueError | evaluate('1 2 +')": ["evaluate('1 2 ?')"],
            "an invalid character raises ValueError | parse('12?', 10)": ["parse('12#', 10)"],
            "a text without another letter raises ValueError | pair('ab')": [],
            "an unknown symbol raises KeyError | price('AB', 3)": ["price('A?', 3)"],
            "unknown letters raise ValueError | match('a', 'b')": [],
            "another letter raises ValueError | half(3)": [],
            "a pair whose end is before its start raises ValueError | merge([(5, 8), (1, 3)])": [
                "merge([(8, 5), (1, 3)])",
                "merge([(5, 8), (3, 1)])",
                "merge([(8, 5)])",
            ],
            "a trip that ends before it starts raises ValueError | add(('2020-01', '2020-02'))": [
                "add(('2020-02', '2020-01'))"
            ],
            "a pair whose end is not before its start raises ValueError | keep([(1, 3)])": [],
            "reversed pairs raise ValueError | join([])": [],
            "low above high raises ValueError | clamp([5, 6], 0, 10)": ["clamp([5, 6], 10, 0)"],
            "a start later than the end raises ValueError | book(9, 2)": ["book(2, 9)"],
            "Rows of different lengths raise ValueError | turn([[1, 2], [3, 4]])": [
                "turn([[1, 2], [3]])",
                "turn([[1], [3, 4]])",
            ],
            "rows of unequal length raise ValueError | mul([[1, 2]], [[3], [4]])": [
                "mul([[1, 2], [1, 2, 2]], [[3], [4]])",
                "mul([[1, 2], [1]], [[3], [4]])",
            ],
            "vectors that differ in length raise ValueError | dot([1, 2], [3, 4])": [
                "dot([1, 2], [3])"
            ],
            "texts of different lengths raise ValueError | distance('ab', 'ba')": [
                "distance('ab', 'b')"
            ],
            "lists of different lengths raise ValueError | pair([1, 2], [1])": [],
            "a ragged matrix raises ValueError | turn([[]])": [],
            "a start > end raises ValueError | cut('abc')": [],
        }
    )


@pytest.mark.parametrize(
    ("clause", "call", "lacks"),
    [
        ("an empty list raises ValueError", "spread([1])", True),
        ("an empty list raises ValueError", "spread([])", False),
        ("an empty list raises ValueError", "spread([[]])", False),
        ("an empty text raises ValueError", "encode('  ')", False),
        ("an empty list raises ValueError", "spread(values)", False),
        ("an empty list or a letter raises ValueError", "spread(['a'])", False),
        ("negative cents raise ValueError", "pay(1, tip=2)", True),
        ("negative cents raise ValueError", "pay(1, tip=-2)", False),
        ("a negative number raises ValueError", "parse('-3')", False),
        ("an odd number raises ValueError", "half(2)", False),
        ("anything that is not empty raises ValueError", "start(['a'])", False),
    ],
)
def test_a_call_without_what_the_clause_speaks_of_is_no_row_about_it(
    clause: str, call: str, lacks: bool
) -> None:
    assert lacks_what_is_said(clause, call) is lacks


def test_a_row_about_a_method_calls_this_method() -> None:
    goal = "get(key) returns a value. delete(key) removes a key and raises KeyError if it is not there."
    methods = methods_in("delete(key) removes a key and raises KeyError if it is not there", goal)
    begun = "cache = Cache()\nassert raises(KeyError, lambda: cache."

    assert methods == ("delete",)
    assert calls_one(f"{begun}delete(1))", methods)
    assert not calls_one(f"{begun}get(1))", methods)
    assert calls_one("assert raises(ValueError, lambda: Cache(0))", ("delete",))


@pytest.mark.parametrize(
    ("clause", "valid"),
    [
        (
            "a pair whose end is before its start raises ValueError",
            {"merge([(5, 8)])", "covered([(5, 8)])", "gap(1, 2)"},
        ),
        ("covered raises ValueError for gaps", {"merge([(5, 8)])", "gap(1, 2)"}),
    ],
)
def test_what_one_function_is_shown_to_take_another_one_with_its_parameters_takes_too(
    clause: str, valid: set[str]
) -> None:
    heads = ["merge(intervals)", "covered(intervals)", "gap(start, end)"]
    rows = [
        "assert merge([(5, 8)]) == [(5, 8)]",
        "assert gap(1, 2) == 1",
        "assert raises(ValueError, lambda: merge([(2, 1)]))",
    ]

    assert valid_calls(rows, ["merge", "covered", "gap"], heads, clause) == valid


def test_calls_are_valid_without_a_signature_too() -> None:
    assert valid_calls(["assert f(1) == 2"], ["f"], [], "") == {"f(1)"}


@given(
    st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=3),
    st.lists(st.text(max_size=20), max_size=3),
    st.lists(st.text(max_size=30), max_size=3),
)
def test_whatever_the_words_are_a_made_call_holds_what_they_say(
    clauses: list[tuple[str, str, str, str]], parameters: list[str], known: list[str]
) -> None:
    clause = "; ".join(each[0] for each in clauses)
    _, name, own, call = clauses[0]

    for made in refused_calls(clause, name, [*own.split(", "), *parameters], [call, *known]):
        assert not lacks_what_is_said(clause, made)
