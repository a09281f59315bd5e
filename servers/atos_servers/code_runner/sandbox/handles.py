"""The judge's stand-ins for what stays in the code's process: objects, functions, classes, errors.

Plain values cross, so they are compared here, in a process that the code can't reach. An object is a `Handle`: its
methods are called over the wire, and what they return is a value again. Where the truth of an assertion would come
from the object itself (its `__eq__`, `__lt__`, `__bool__`, arithmetic, `isinstance`, or a method named like one of a
plain value's that answers yes or no), the answer is taken and it is noted that the code decided: such a test proves
no more than a test in the code's own process does. An object that equals everything gains nothing by it.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, cast

from atos_servers.code_runner.sandbox import outside_rules, value_codec

REPLY_BYTES = 16 * 2**20
PREDICATES = frozenset(
    name
    for kind in (str, bytes, int, float, list, tuple, dict, set, frozenset)
    for name in dir(kind)
    if name.startswith(("is", "startswith", "endswith"))
)
"""Methods of plain values that answer yes or no."""
NEVER = frozenset({"KeyboardInterrupt", "GeneratorExit", "BaseException", "BaseExceptionGroup"})
"""What would end the judge, or go past every test."""
NOTHING = object()


class CodeEndedError(BaseException):
    """The code's process gives no answer. No `except Exception` and no `raises` of a test takes it for the code's."""


class WireLimitError(TypeError):
    """A value of the test can't cross to the code."""


class Notes:
    """What became known while a test ran."""

    def __init__(self) -> None:
        self.by_code = False
        """The code decided about an assertion, or could have."""
        self.touched = False
        """More than plain values took part, so a failure may be the wire's."""

    def take(self) -> dict[str, bool]:
        """Return the notes and begin anew."""
        found = {"by_code": self.by_code, "touched": self.touched}
        self.by_code = self.touched = False
        return found


class Link:
    """The judge's end of the wire."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._rest = b""
        self._errors: dict[int, type[BaseException]] = {}
        self._callbacks: list[Callable[..., Any]] = []
        self._folder = ""
        self.notes = Notes()
        connection.settimeout(seconds)
        self._makers: Mapping[str, value_codec.Maker] = {
            **value_codec.SCALAR_MAKERS,
            "held": self._handle,
            "builtin": _built_in,
            "module": _trusted_module,
            "class": _scalar_class,
            "error_class": self.error_class,
        }

    # -- one question and its answer

    def ask(self, do: str, *given: Any, named: Mapping[str, Any] | None = None) -> Any:
        """Have the code's process do something, and return the value.

        Raises:
            BaseException: what the code raised, as a class of this process; or that there is no answer.
        """
        __tracebackhide__ = True
        asked = {"do": do, "args": self.encode(given), "named": self.encode(dict(named or {}))}
        answer = self._answered(asked)
        if answer.get("changed"):
            self._change(given, answer["changed"])
        return self._value(answer)

    def imported(self, module: str) -> tuple[int, list[str]]:
        """Import a module over there; return its number and the names that `*` means."""
        answer = self._answered({"do": "import", "module": module})
        number, names = self._value(answer)
        return int(number), [str(name) for name in names]

    def _value(self, answer: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        try:
            if "raised" not in answer:
                return self.decode(answer["value"])
            error = self._error(answer["raised"])
        except (KeyError, TypeError, ValueError, AttributeError):
            message = "the code's process answered with something else than an answer"
            raise CodeEndedError(message) from None
        raise error

    def _answered(self, asked: dict[str, Any]) -> dict[str, Any]:
        __tracebackhide__ = True
        if (here := os.getcwd()) != self._folder:  # noqa: PTH109 - at every call
            asked["cwd"], self._folder = here, here
        self._send(asked)
        while True:
            try:
                answer = cast("dict[str, Any]", json.loads(self._read_line()))
                back = "callback" in answer
            except (ValueError, TypeError, RecursionError):
                message = "the code's process answered with something else than an answer"
                raise CodeEndedError(message) from None
            if not back:
                self._show(answer)
                return answer
            self._send(self._called_back(answer))

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            why = "the code's process ended"
            raise CodeEndedError(why) from None

    def _read_line(self) -> bytes:
        __tracebackhide__ = True
        while b"\n" not in self._rest:
            try:
                part = self._connection.recv(65536)
            except OSError:
                part = b""
            self._rest += part
            if not part or len(self._rest) > REPLY_BYTES:
                self._connection.close()
                message = (
                    f"the code's process ended, or answered with more than {REPLY_BYTES} bytes"
                )
                raise CodeEndedError(message) from None
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _show(self, answer: dict[str, Any]) -> None:
        """Print here what the code printed there, so that `capsys` sees it."""
        for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
            if name in answer:
                stream.write(str(answer[name]))

    def _called_back(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.notes.touched = True
        try:
            given, named = self.decode(asked["args"]), self.decode(asked["named"])
            return {"returned": self.encode(self._callbacks[asked["callback"]](*given, **named))}
        except Exception as error:  # noqa: BLE001 - the test's callable raised it into the code
            if isinstance(error, AssertionError):
                self.notes.by_code = True  # the code may swallow it
            return {"error": self._error_form(error)}

    def _error_form(self, error: BaseException) -> Any:
        kind = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
        return {
            "t": "error",
            "v": [{"t": "builtin", "v": kind.__name__}, self.encode((str(error),))],
        }

    def _change(self, given: tuple[Any, ...], changed: Any) -> None:
        """Do to the arguments what the function did to its copies of them."""
        self.notes.touched = True
        for at, form in changed:
            old, new = given[at], self.decode(form)
            if type(old) is not type(new):
                continue
            if isinstance(old, list | bytearray):
                old[:] = new
            elif isinstance(old, set | dict):
                old.clear()
                cast("Any", old).update(new)

    # -- values

    def encode(self, value: Any) -> Any:
        """Return the form of a value of the test's.

        Raises:
            WireLimitError: it can't cross.
        """
        try:
            return value_codec.encode(value, others=self._other)
        except (value_codec.ValueCodecError, RecursionError) as error:
            raise self._limit(str(error)) from None

    def _limit(self, why: str) -> WireLimitError:
        self.notes.touched = True
        return WireLimitError(f"this value can't cross to the code's process: {why}")

    def _other(self, value: Any) -> Any:
        kind = cast("type[Any]", type(value))
        if kind is Handle:
            return {"t": "held", "v": number_of(value)}
        if isinstance(value, type):
            if getattr(builtins, value.__name__, None) is value:
                return {"t": "builtin", "v": value.__name__}
            if "_held_class" in vars(value):
                return {"t": "held", "v": vars(value)["_held_class"]}
            name = f"{value.__module__}.{value.__name__}"
            if name in value_codec.SCALARS:
                return {"t": "class", "v": name}
        elif "_held" in getattr(value, "__dict__", {}) and isinstance(value, RemoteError):
            return {"t": "held", "v": vars(value)["_held"]}
        elif callable(value):
            self._callbacks.append(value)
            return {"t": "callback", "v": len(self._callbacks) - 1}
        what = f"a {kind.__name__}"
        raise self._limit(what)

    def decode(self, form: Any) -> Any:
        """Return the value that the code's process sent."""
        try:
            return value_codec.decode(form, self._makers)
        except (value_codec.ValueCodecError, AttributeError, RecursionError):
            message = "the code's process answered with something else than a value"
            raise CodeEndedError(message) from None

    def _handle(self, about: dict[str, Any]) -> Handle:
        if about["is"] == "object":
            self.notes.touched = True
        return Handle(self, about)

    # -- errors

    def error_class(self, form: dict[str, Any]) -> type[BaseException]:
        """Return this process's class for an exception class of the code."""
        if "builtin" in form:
            return _error_in(builtins, form["builtin"], BaseException)
        if "from" in form:
            return _error_in(_trusted_module(form["from"]), form["name"], Exception)
        number = int(form["n"])
        if number not in self._errors:
            bases = tuple(dict.fromkeys(map(self.error_class, form["bases"]))) or (RuntimeError,)
            remote = (
                bases if any(issubclass(b, RemoteError) for b in bases) else (RemoteError, *bases)
            )
            inside = {"_held_class": number, "_link": self}
            self._errors[number] = type(str(form["name"]), remote, inside)
        return self._errors[number]

    def _error(self, raised: dict[str, Any]) -> BaseException:
        kind = self.error_class(raised["class"])
        arguments = self.decode(raised["args"])
        try:
            error = kind.__new__(kind, *arguments)
            BaseException.__init__(error, *arguments) if issubclass(
                kind, RemoteError
            ) else kind.__init__(error, *arguments)
        except Exception:  # noqa: BLE001 - made otherwise over there
            error = kind.__new__(kind)
            error.args = tuple(arguments)
        if isinstance(error, PermissionError):
            self.notes.touched = True  # it may read and write less than in the tests' process
        if isinstance(error, RemoteError):
            self.notes.touched = True
            vars(error).update(_held=raised["n"], _message=str(raised["message"]))
        if raised.get("place"):
            error.add_note(f"at {raised['place']}")
        return error


def _error_in(module: Any, name: Any, below: type[BaseException]) -> type[BaseException]:
    found = cast("type[Any]", getattr(module, str(name), RuntimeError))
    fit = isinstance(cast("Any", found), type) and issubclass(found, below) and name not in NEVER
    return found if fit else RuntimeError


def _built_in(name: Any) -> Any:
    return getattr(builtins, str(name))


def _trusted_module(name: Any) -> Any:
    if name not in outside_rules.TRUSTED:
        message = f"not a module that the judge imports: {name!r}"
        raise value_codec.ValueCodecError(message)
    return importlib.import_module(name)


def _scalar_class(name: Any) -> Any:
    if name not in value_codec.SCALARS:
        message = f"not a class of plain values: {name!r}"
        raise value_codec.ValueCodecError(message)
    module, _, plain = name.partition(".")
    return getattr(importlib.import_module(module), plain)


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
