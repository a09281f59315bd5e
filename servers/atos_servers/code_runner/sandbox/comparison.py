"""What an assertion may compare with: `==` that forgives what rounding does to floats, and `raises`.

`0.1 + 0.2 == 0.3` would call a right program wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from atos_servers.code_runner.sandbox.canonical import canonical, cut, described

RELATIVE, ABSOLUTE = 1e-6, 1e-9
SHOWN_CHARACTERS = 50
Errors = type[BaseException] | tuple[type[BaseException], ...]


def close(left: object, right: object) -> bool:
    """Return whether two values differ by no more than the rounding of floats, at any depth."""
    if isinstance(left, float) or isinstance(right, float):
        return _near(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        one, other = cast("dict[Any, Any]", left), cast("dict[Any, Any]", right)
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    for kind in (list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            ours, theirs = cast("list[Any]", left), cast("list[Any]", right)
            return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    return False


def _alike(left: object, right: object) -> bool:
    return (left == right) is True or close(left, right)


def _near(left: object, right: object) -> bool:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    try:
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except OverflowError:  # an int beyond any float
        return False


class Expectation:
    """`with raises(ValueError) as info:`; `info.value` is the error."""

    def __init__(self, errors: Errors, match: str) -> None:
        self._errors, self._match = errors, match
        self.value: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        del kind, trace
        if error is None:
            message = f"{_named(self._errors)} was not raised"
            raise AssertionError(message)
        _require(error, self._errors, self._match)
        self.value = error
        return True


def _named(errors: Errors) -> str:
    each = errors if isinstance(errors, tuple) else (errors,)
    return " or ".join(error.__name__ for error in each)


def _require(error: BaseException, errors: Errors, match: str) -> None:
    if not isinstance(error, errors):
        message = f"raised {described(error)}"
        raise AssertionError(message) from None  # noqa: TRY004 - an assertion is what failed
    if match and not re.search(match, str(error)):
        message = f"the message does not match: {described(error)}"
        raise AssertionError(message) from None


class Comparisons:
    """Compares for one assertion, and keeps the last comparison that did not hold."""

    def __init__(self) -> None:
        self.shown = ""

    def begin(self) -> None:
        """Forget what an earlier assert compared."""
        self.shown = ""

    def equal(self, left: object, right: object) -> object:
        """Return `left == right`, or True where only rounding differs."""
        answer = left == right
        if answer is True or close(left, right):
            return True
        self._show(left, "!=", right)
        return answer

    def differ(self, left: object, right: object) -> object:
        """Return `left != right`, or False where only rounding differs."""
        answer = left != right
        if answer is True and not close(left, right):
            return True
        self._show(left, "==", right)
        return False if answer is True else answer

    def raises(
        self,
        errors: Errors,
        call: Callable[..., object] | None = None,
        *arguments: Any,
        match: str = "",
        **named: Any,
    ) -> bool | Expectation:
        """Return whether a call raises one of the errors; without a call, a context demanding it.

        Raises:
            AssertionError: another error was raised, or its message does not match.
        """
        if call is None:
            return Expectation(errors, match or "")
        try:
            call(*arguments, **named)
        except BaseException as error:  # noqa: BLE001 - which one it is decides
            _require(error, errors, match or "")
            return True
        self.shown = f"{_named(errors)} was not raised"
        return False

    def _show(self, left: object, sign: str, right: object) -> None:
        ours, theirs = (cut(canonical(value), SHOWN_CHARACTERS) for value in (left, right))
        self.shown = f"{ours} {sign} {theirs}"
