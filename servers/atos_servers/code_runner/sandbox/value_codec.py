"""Plain Python values as JSON and back, so that nothing else crosses between two processes.

Lists, texts and numbers are themselves; what JSON lacks is tagged. Anything else becomes `Opaque`,
which equals nothing: an object whose `__eq__` always agrees stays on its own side. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

TAG, VALUE = "t", "v"
PLAIN = (type(None), bool, int, float, str)
DEEPEST = 100


class ValueCodecError(ValueError):
    """The value, or the text that stands for one, can't cross."""


class Opaque:
    """Stands for a value that could not cross; equal to nothing, itself included."""

    __slots__ = ("kind",)
    __hash__ = None  # pyright: ignore[reportAssignmentType] - equal to nothing, so in no set

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<a {self.kind}, which can't be compared here>"


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {TAG: kind, VALUE: value}


def encode(value: Any, depth: int = 0) -> Any:
    """Return the JSON form of a value.

    Raises:
        ValueCodecError: it is nested too deeply, or in itself.
    """
    if depth > DEEPEST:
        message = "nested too deeply"
        raise ValueCodecError(message)
    kind = cast("type[Any]", type(value))
    if kind in PLAIN:
        return value
    below = depth + 1
    if kind is list:
        return [encode(item, below) for item in value]
    if kind in (tuple, set, frozenset):
        return _tagged(kind.__name__, [encode(item, below) for item in value])
    if kind is dict:
        return _tagged("dict", [[encode(k, below), encode(v, below)] for k, v in value.items()])
    if kind in (bytes, bytearray):
        return _tagged(kind.__name__, value.hex())
    if kind is complex:
        return _tagged("complex", [value.real, value.imag])
    if kind is range:
        return _tagged("range", [value.start, value.stop, value.step])
    return _tagged("opaque", kind.__name__[:80])


MAKERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda items: tuple(map(decode, items)),
    "set": lambda items: set(map(decode, items)),
    "frozenset": lambda items: frozenset(map(decode, items)),
    "dict": lambda pairs: {decode(key): decode(value) for key, value in pairs},
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "opaque": lambda kind: Opaque(str(kind)),
}


def decode(form: Any) -> Any:
    """Return the value that a JSON form stands for; only the plain types above come out.

    Raises:
        ValueCodecError: the form was not made by `encode`.
    """
    if type(form) in PLAIN:
        return form
    if type(form) is list:
        return [decode(item) for item in cast("list[Any]", form)]
    try:
        return MAKERS[form[TAG]](form[VALUE])
    except ValueCodecError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        message = f"not a value: {error!r}"
        raise ValueCodecError(message) from error
