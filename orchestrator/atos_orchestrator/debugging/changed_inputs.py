"""Valid inputs changed into ones that a clause refuses: an end before its start, rows of different lengths. Pure.

Asked for a row about "a pair whose end is before its start", a small model writes pairs in the wrong order of the
list instead; asked for rows of different lengths, a product whose sizes don't fit. The rule changes an input that is known to
be valid, in this one thing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

_LOW = "start|begin|beginning|low|lower|lowest|min|minimum"
_HIGH = "end|stop|finish|high|higher|upper|highest|max|maximum"
_BETWEEN = r"(?:\W+(?!(?:not|never)\b)\w+){0,3}?\W+"
_BELOW = r"(?:before\b|precedes?\b|(?:earlier|less|smaller|lower) than\b|below\b|<)"
_ABOVE = r"(?:after\b|exceeds?\b|(?:later|greater|larger|higher|more) than\b|above\b|beyond\b|>)"
_REVERSED = re.compile(
    rf"\b(?:{_HIGH})s?\b{_BETWEEN}{_BELOW}{_BETWEEN}(?:{_LOW})s?\b"
    rf"|\b(?:{_LOW})s?\b{_BETWEEN}{_ABOVE}{_BETWEEN}(?:{_HIGH})s?\b"
    r"|\b(?:reversed|inverted) (?:pair|interval|range|span|bound)s?\b",
    re.IGNORECASE,
)
_UNEVEN = re.compile(
    r"\b(?:different|differing|unequal|uneven|mismatched) (?:lengths?|sizes?)\b|\bragged\b"
    r"|\b(?:differ|unequal) in (?:length|size)\b|\bnot (?:all )?(?:of )?(?:the same|equal) (?:length|size)\b",
    re.IGNORECASE,
)


def changed_arguments(
    clause: str, parameters: Sequence[str], arguments: Sequence[str]
) -> list[list[str]]:
    """Return the arguments of a call that a clause refuses, each made of a valid one's by a rule; none where it says no such thing.

    Args:
        clause: what the goal says about an error.
        parameters: the function's, by name.
        arguments: those of a call that is valid; plain values, as source.
    """
    values = [ast.literal_eval(each) for each in arguments]
    made: list[list[object]] = []
    if _REVERSED.search(clause):
        made = list(_swapped(parameters, values)) or list(_in_one(values, _turned))
    elif _UNEVEN.search(clause):
        made = list(_in_one(values, _uneven)) or list(_cut(values))
    return [[repr(value) for value in each] for each in made]


def _in_one(
    values: Sequence[object], change: Callable[[object], list[Any]]
) -> Iterator[list[object]]:
    """Yield the values with the first of them that can be changed, in each way."""
    for at, value in enumerate(values):
        if made := change(value):
            yield from ([*values[:at], changed, *values[at + 1 :]] for changed in made)
            return


def _swapped(parameters: Sequence[str], values: Sequence[object]) -> Iterator[list[object]]:
    """Yield the values with the lower and the upper bound swapped, where one parameter each is named so."""
    lows = [at for at, name in enumerate(parameters) if _is_named(name, _LOW)]
    highs = [at for at, name in enumerate(parameters) if _is_named(name, _HIGH)]
    if len(lows) == len(highs) == 1 and max(lows[0], highs[0]) < len(values):
        one, other = lows[0], highs[0]
        if _ascends([values[one], values[other]]):
            changed = list(values)
            changed[one], changed[other] = values[other], values[one]
            yield changed


def _uneven(value: object) -> list[Any]:
    """Return rows of which the last or the first lacks a value; of a single one, that with another one."""
    rows = _rows(value)
    if not rows or not rows[0]:
        return []
    if len(rows) == 1:
        return [[*rows, [*rows[0], rows[0][-1]]], [*rows, rows[0][:-1]]]
    return [[*rows[:-1], rows[-1][:-1]], [rows[0][:-1], *rows[1:]]]


def _rows(value: object) -> list[list[Any]]:
    """Return a value that is rows of one length; empty where it is none."""
    rows = cast("list[Any]", value) if isinstance(value, list) else []
    even = all(isinstance(row, list) for row in rows) and len({len(row) for row in rows}) == 1
    return rows if even else []


def _cut(values: Sequence[object]) -> Iterator[list[object]]:
    """Yield the values with the second of two lists, or texts, of one length cut."""
    sized = [at for at, each in enumerate(values) if isinstance(each, list | str)]
    for one, other in pairwise(sized):
        first, second = cast("list[Any]", values[one]), cast("list[Any]", values[other])
        if second and len(first) == len(second):
            yield [*values[:other], second[:-1], *values[other + 1 :]]
            return


def _is_named(parameter: str, words: str) -> bool:
    return any(re.fullmatch(words, part) for part in parameter.split("_"))


def _turned(value: object) -> list[Any]:
    """Return a pair turned round; or pairs of which the first is, or the last, or the only one that is left.

    Code that compares neighbours instead refuses one of them by chance.
    """
    if pair := _reversed(value):
        return [pair]
    parts = _parts(value)
    turned = {at: pair for at, part in enumerate(parts) if (pair := _reversed(part))}
    if not turned:
        return []
    first, last = min(turned), max(turned)
    made = [[*parts[:at], turned[at], *parts[at + 1 :]] for at in (first, last)]
    return [_alike(value, each) for each in (*made, [turned[first]])]


def _reversed(pair: object) -> Any:
    """Return a pair that ascends turned round; None for anything else."""
    parts = _parts(pair)
    return _alike(pair, parts[::-1]) if _ascends(parts) else None


def _parts(value: object) -> list[Any]:
    return list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else []


def _alike(value: object, parts: list[Any]) -> Any:
    return tuple(parts) if isinstance(value, tuple) else parts


def _ascends(pair: Sequence[Any]) -> bool:
    """Tell whether these are two numbers, or two texts, of which the second is the larger one."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in pair)
    alike = numbers or all(isinstance(each, str) for each in pair)
    return len(pair) == 2 and alike and pair[0] < pair[1]
