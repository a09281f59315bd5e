"""Inputs whose end comes before their start, where a clause refuses such: a pair, or two arguments. Pure.

Asked for a row about "a pair whose end is before its start", a small model writes pairs in the wrong order of the
list instead. The rule turns round one pair of an input that is known to be valid.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
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


def refuses_reversed(clause: str) -> bool:
    """Tell whether a clause speaks of something whose end comes before its start."""
    return bool(_REVERSED.search(clause))


def turned_round(argument: str) -> str:
    """Return the source of an argument in which the first pair that ascends descends; "" where there is none."""
    turned = _turned(ast.literal_eval(argument))
    return "" if turned is None else repr(turned)


def swapped(parameters: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return a call's arguments with those of its lower and its upper bound swapped; empty where it has no such two."""
    lows = [at for at, name in enumerate(parameters) if _is_named(name, _LOW)]
    highs = [at for at, name in enumerate(parameters) if _is_named(name, _HIGH)]
    if len(lows) != 1 or len(highs) != 1 or max(lows[0], highs[0]) >= len(arguments):
        return []
    one, other = lows[0], highs[0]
    if not _ascends([ast.literal_eval(arguments[at]) for at in (one, other)]):
        return []
    changed = list(arguments)
    changed[one], changed[other] = arguments[other], arguments[one]
    return changed


def _is_named(parameter: str, words: str) -> bool:
    return any(re.fullmatch(words, part) for part in parameter.split("_"))


def _turned(value: object) -> object:
    if not isinstance(value, list | tuple):
        return None
    parts = list(cast("Sequence[Any]", value))
    made: list[Any] | None = [*reversed(parts)] if _ascends(parts) else None
    for at, part in enumerate([] if made else parts):
        if (turned := _turned(part)) is not None:
            made = [*parts[:at], turned, *parts[at + 1 :]]
            break
    return made if made is None or isinstance(value, list) else tuple(made)


def _ascends(pair: Sequence[Any]) -> bool:
    """Tell whether these are two numbers, or two texts, of which the second is the larger one."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in pair)
    alike = numbers or all(isinstance(each, str) for each in pair)
    return len(pair) == 2 and alike and pair[0] < pair[1]
