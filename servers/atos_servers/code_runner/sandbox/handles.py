"""The judge's stand-ins for what stays in the code's process: objects, functions, classes, errors.

Plain values cross, so they are compared here, in a process that the code can't reach. An object is a `Handle`: its
methods are called over the wire, and what they return is a value again. Where the truth of an assertion would come
from the object itself (its `__eq__`, `__lt__`, `__bool__`, arithmetic, `isinstance`, or a method named like one of a
plain value's that answers yes or no), the answer is taken and it is noted that the code decided: such a test proves
no more than a test in the code's own process does. An object that equals everything gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from atos_servers.code_runner.sandbox.wire import Link

PREDICATES = frozenset(
    name
    for kind in (str, bytes, int, float, list, tuple, dict, set, frozenset)
    for name in dir(kind)
    if name.startswith(("is", "startswith", "endswith"))
)
"""Methods of plain values that answer yes or no."""
NOTHING = object()


class WireLimitError(TypeError):
    """A value of the test can't cross to the code."""


class RemoteError(Exception):
    """An exception of a class that the code defines; its attributes are asked for."""

    def __str__(self) -> str:
        return str(vars(self).get("_message", ", ".join(map(str, self.args))))

    def __getattr__(self, name: str) -> Any:
        known = not name.startswith("__") and "_held" in vars(self)
        if not known:
            raise AttributeError(name)
        link = cast("Link", type(self).__dict__["_link"])
        return link.ask("getattr", Handle(link, {"n": vars(self)["_held"], "is": "object"}), name)


def _asking(name: str) -> Callable[..., Any]:
    """Return a method that gives a value: what it is worth is seen by what it is compared with."""

    def method(self: Any, *given: Any) -> Any:
        __tracebackhide__ = True
        return link_of(self).ask(name, self, *given)

    return method


def _deciding(name: str, *, swapped: bool = False) -> Callable[..., Any]:
    """Return an operator whose result the code decides."""

    def method(self: Any, *given: Any) -> Any:
        __tracebackhide__ = True
        link = link_of(self)
        link.notes.by_code = True
        return link.ask(name, *(*given, self) if swapped else (self, *given))

    return method


def _comparing(name: str, compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return a comparison: of what both sides hold, here, where they hold plain values."""

    def method(self: Any, other: Any) -> Any:
        __tracebackhide__ = True
        link, mine = link_of(self), content_of(self)
        theirs = content_of(other) if type(other) is Handle else other
        if mine is not NOTHING and theirs is not NOTHING:
            return compare(mine, theirs)
        link.notes.by_code = True
        try:
            return link.ask(name, self, other)
        except WireLimitError:
            return NotImplemented

    return method


class Handle:
    """An object, function or class of the code. Everything about it but its number is asked for."""

    __slots__ = ("_about", "_link")

    def __init__(self, link: Link, about: dict[str, Any]) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_about", about)

    def __getattribute__(self, name: str) -> Any:
        __tracebackhide__ = True
        if name == "__name__" and (known := _about(self).get("name")):
            return str(known)
        if name.startswith(("__", "_pytest")):
            return object.__getattribute__(self, name)
        return link_of(self).ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        link_of(self).ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        link_of(self).ask("delattr", self, name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Have the object called."""
        __tracebackhide__ = True
        link, about = link_of(self), _about(self)
        found = link.ask("call", self, *given, named=named)
        if type(found) is bool and about.get("name") in PREDICATES:
            link.notes.by_code = True
        return found

    def __instancecheck__(self, value: Any) -> bool:
        link = link_of(self)
        link.notes.by_code = True
        return link.ask("instancecheck", self, value) is True

    def __hash__(self) -> int:
        content = content_of(self)
        try:
            return hash(number_of(self) if content is NOTHING else content)
        except TypeError:
            return hash(number_of(self))

    def __bool__(self) -> bool:
        content = content_of(self)
        if content is not NOTHING:
            return bool(content)
        link_of(self).notes.by_code = True
        return link_of(self).ask("bool", self) is True

    def __contains__(self, item: Any) -> bool:
        content = content_of(self)
        if content is not NOTHING:
            return item in content
        link_of(self).notes.by_code = True
        return link_of(self).ask("contains", self, item) is True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        del trace
        link = link_of(self)
        if kind is None or not issubclass(kind, Exception):
            return bool(link.ask("exit", self, None, None))
        link.notes.by_code = True  # it may swallow the failure of an assertion
        if isinstance(error, RemoteError):
            return link.ask("exit", self, kind, error) is True
        builtin = next(each for each in kind.__mro__ if each.__module__ == "builtins")
        return link.ask("exit", self, builtin, None) is True


def _about(handle: Handle) -> dict[str, Any]:
    return object.__getattribute__(handle, "_about")


def link_of(handle: Handle) -> Link:
    """Return the wire behind a handle."""
    return object.__getattribute__(handle, "_link")


def number_of(handle: Handle) -> int:
    """Return the number by which the code's process knows the object."""
    return int(_about(handle)["n"])


def content_of(handle: Handle) -> Any:
    """Return what an object of a class derived from a plain one holds; `NOTHING` for any other."""
    if not _about(handle).get("content"):
        return NOTHING
    found = link_of(handle).ask("content", handle)
    return NOTHING if type(found) is Handle else found


VALUES = ("len", "iter", "next", "getitem", "setitem", "delitem", "str", "repr", "int", "float", "index",
          "round", "abs", "neg", "pos", "invert", "format", "reversed", "enter")  # fmt: skip
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift",
              "rshift", "matmul")  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda one, other: one == other,
    "ne": lambda one, other: one != other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
}


def _add_operators() -> None:
    for name in VALUES:
        setattr(Handle, f"__{name}__", _asking(name))
    for name in ARITHMETIC:
        asked = f"{name}_" if name in {"and", "or"} else name
        setattr(Handle, f"__{name}__", _deciding(asked))
        setattr(Handle, f"__r{name}__", _deciding(asked, swapped=True))
    for name, compare in COMPARISONS.items():
        setattr(Handle, f"__{name}__", _comparing(name, compare))
    for name in ("iadd", "isub", "imul"):
        setattr(Handle, f"__{name}__", _deciding(name))


_add_operators()
