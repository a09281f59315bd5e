"""What the judge can have done with an object: each by a name, done by the functions of this moment.

They are looked up before any code of the workspace runs, which may replace what `builtins` and `operator` hold. That
would give it nothing: it is its own process, and its answers are values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from atos_servers.code_runner.sandbox.value_codec import ValueCodecError

BASES = (int, float, str, bytes, tuple, list, set, frozenset, dict)
"""Classes whose objects are plain values."""


def _bytes(value: Any) -> Any:
    return bytes.__getitem__(value, slice(None))


_TAKEN: dict[Any, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__pos__,
    str: str.__str__,
    bytes: _bytes,
    tuple: cast("Any", tuple).__iter__,
    list: cast("Any", list).__iter__,
    set: cast("Any", set).__iter__,
    frozenset: cast("Any", frozenset).__iter__,
    dict: cast("Any", dict).items,
}


def content(value: Any) -> Any:
    """Return what an object of a class derived from a plain one holds, whatever its methods say.

    Raises:
        ValueCodecError: its class is derived from none.
    """
    kind = cast("type[Any]", type(value))
    for base, taken in _TAKEN.items():
        if base in kind.__mro__:
            return base(taken(value))
    message = "no content"
    raise ValueCodecError(message)


def _enter(value: Any) -> Any:
    kind = cast("Any", type(value))
    return kind.__enter__(value)


def _exit(value: Any, error_class: Any, error: Any) -> Any:
    kind = cast("Any", type(value))
    return kind.__exit__(value, error_class, error, None)


def _is_instance(kind: Any, value: Any) -> bool:
    return isinstance(value, kind)


def _call(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return function(*given, **named)


_OF_OPERATOR = (
    "eq", "ne", "lt", "le", "gt", "ge", "contains", "getitem", "setitem", "delitem", "neg", "pos",
    "invert", "index", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_",
    "xor", "lshift", "rshift", "matmul", "iadd", "isub", "imul",
)  # fmt: skip
OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in _OF_OPERATOR},
    "len": len,
    "iter": iter,
    "next": next,
    "str": str,
    "repr": repr,
    "bool": bool,
    "int": int,
    "float": float,
    "abs": abs,
    "round": round,
    "format": format,
    "reversed": reversed,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "instancecheck": _is_instance,
    "content": content,
    "enter": _enter,
    "exit": _exit,
    "call": _call,
}
