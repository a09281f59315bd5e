"""Functions that undo each other: which those are, and what is asserted of them."""

import pytest

from atos_orchestrator.debugging.round_trips import opposites, round_trips

CAESAR = ("encrypt(text, shift)", "decrypt(text, shift)")


@pytest.mark.parametrize(
    ("goal", "heads", "found"),
    [
        ("", CAESAR, [CAESAR]),
        ("", ("from_roman(text)", "to_roman(n)"), [("to_roman(n)", "from_roman(text)")]),
        ("", ("parse_date(text)", "format_date(day)"), [("format_date(day)", "parse_date(text)")]),
        (
            "shrink(text) makes it short, grow(text) is the way back.",
            ("shrink(text)", "grow(text)"),
            [("shrink(text)", "grow(text)")],
        ),
        (
            "rot(text) turns it; back(text) undoes that.",
            ("rot(text)", "back(text)"),
            [("rot(text)", "back(text)")],
        ),
        ("", ("encode(text)",), []),
        ("decode(text) is the way back", ("class Codec", "decode(text)"), []),
        ("f(x) adds one. g(x) is the inverse matrix", ("f(x)", "h(x)"), []),
    ],
)
def test_opposites_are_known_by_their_names_or_by_the_goals_words(
    goal: str, heads: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    assert opposites(goal, heads) == found


def test_each_known_input_comes_back_with_the_same_further_arguments() -> None:
    known = [
        "assert encrypt('abc', 3) == 'xyz'",  # the value may be wrong, its input is not
        "assert encrypt('abc', 4) == ''",
        "assert encrypt('', -1) == ''",
        "assert raises(TypeError, lambda: encrypt('a', None))",
        "assert encrypt(text, 3) == 'def'",
        "assert encrypt('x', shift=1) == 'y'",
    ]

    assert round_trips(*CAESAR, known) == [
        "assert decrypt(encrypt('abc', 3), 3) == 'abc'",
        "assert decrypt(encrypt('', -1), -1) == ''",
    ]
    assert round_trips("to_roman(n)", "from_roman(text)", ["assert to_roman(4) == 'IV'"]) == [
        "assert from_roman(to_roman(4)) == 4"
    ]
    assert round_trips("pack(a)", "unpack(a, size)", ["assert pack(1) == 2"]) == []
