"""Plain Python values as JSON and back, so that nothing else crosses between two processes.

Lists, texts and numbers are themselves; what JSON lacks is tagged. Anything else becomes `Opaque`,
which equals nothing: an object whose `__eq__` always agrees stays on its own side. Who can do better with
anything else gives `encode` and `decode` a way of their own (see `object_table` and `handles`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

TAG, VALUE = "t", "v"
Others = Callable[[Any], Any]
"""Gives the JSON form of a value that is not plain."""
Maker = Callable[[Any], Any]
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


def _opaque(value: Any) -> Any:
    return _tagged("opaque", type(value).__name__[:80])


SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "decimal.Decimal": str,
    "fractions.Fraction": str,
    "datetime.date": lambda value: value.isoformat(),
    "datetime.time": lambda value: value.isoformat(),
    "datetime.datetime": lambda value: value.isoformat(),
    "datetime.timedelta": lambda value: [value.days, value.seconds, value.microseconds],
    "pathlib.PosixPath": str,
    "pathlib.PurePosixPath": str,
    "uuid.UUID": str,
}
"""Values of the standard library that are as plain as numbers: class -> what stands for one."""


def is_class(kind: type[Any], name: str) -> bool:
    """Return whether a class is the standard library's of this name, `module.Class`."""
    module, _, plain = name.partition(".")
    return getattr(sys.modules.get(module), plain, None) is kind


def _scalar_name(kind: type[Any]) -> str:
    name = f"{kind.__module__.partition('.')[0].lstrip('_')}.{kind.__name__}"
    return name if name in SCALARS and is_class(kind, name) else ""


def _scalar(parts: list[Any]) -> Any:
    name, form = parts
    if name not in SCALARS:
        message = f"not a class of plain values: {name!r}"
        raise ValueCodecError(message)
    module, _, plain = name.partition(".")
    kind = getattr(importlib.import_module(module), plain)
    if plain == "timedelta":
        return kind(*form)
    return kind.fromisoformat(form) if module == "datetime" else kind(form)


def encode(value: Any, depth: int = 0, *, others: Others = _opaque) -> Any:
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
        return [encode(item, below, others=others) for item in value]
    if kind in (tuple, set, frozenset):
        items = [encode(item, below, others=others) for item in value]
        return _tagged(kind.__name__, items)
    if kind is dict:
        pairs = [[encode(part, below, others=others) for part in pair] for pair in value.items()]
        return _tagged("dict", pairs)
    if kind in (bytes, bytearray):
        return _tagged(kind.__name__, value.hex())
    if kind is complex:
        return _tagged("complex", [value.real, value.imag])
    if kind is range:
        return _tagged("range", [value.start, value.stop, value.step])
    if others is not _opaque and (name := _scalar_name(kind)):
        return _tagged("scalar", [name, SCALARS[name](value)])
    return others(value)


_CONTAINERS: Mapping[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "tuple": lambda items, made: tuple(map(made, items)),
    "set": lambda items, made: set(map(made, items)),
    "frozenset": lambda items, made: frozenset(map(made, items)),
    "dict": lambda pairs, made: {made(key): made(value) for key, value in pairs},
}
_OTHERS: Mapping[str, Maker] = {
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "opaque": lambda kind: Opaque(str(kind)),
}
SCALAR_MAKERS: Mapping[str, Maker] = {"scalar": _scalar}


def decode(form: Any, makers: Mapping[str, Maker] | None = None) -> Any:
    """Return the value that a JSON form stands for; only the plain types above come out.

    Args:
        form: what `encode` made.
        makers: tag -> what makes a value of that tag, beside the plain ones.

    Raises:
        ValueCodecError: the form was not made by `encode`.
    """
    if type(form) in PLAIN:
        return form
    if type(form) is list:
        return [decode(item, makers) for item in cast("list[Any]", form)]
    try:
        tag, value = form[TAG], form[VALUE]
        if container := _CONTAINERS.get(tag):
            return container(value, lambda item: decode(item, makers))
        return (makers or {}).get(tag, _OTHERS.get(tag) or _unknown)(value)
    except ValueCodecError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError, ArithmeticError) as error:
        message = f"not a value: {error!r}"
        raise ValueCodecError(message) from error


def _unknown(_value: Any) -> Any:
    message = "of no known kind"
    raise ValueCodecError(message)
