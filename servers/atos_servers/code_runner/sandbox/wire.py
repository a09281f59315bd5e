"""The judge's end of the wire to the code's process: questions, answers, and what became known meanwhile.

One JSON line per question and answer (see `object_process` for the other end). Nothing that comes back is believed to
be more than a value, an error or a request to call a callable of the test's.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

from atos_servers.code_runner.sandbox import outside_rules, value_codec
from atos_servers.code_runner.sandbox.handles import (
    Handle,
    RemoteError,
    WireLimitError,
    number_of,
)

REPLY_BYTES = 16 * 2**20
NEVER = frozenset({"KeyboardInterrupt", "GeneratorExit", "BaseException", "BaseExceptionGroup"})
"""What would end the judge, or go past every test."""


class CodeEndedError(BaseException):
    """The code's process gives no answer. No `except Exception` and no `raises` of a test takes it for the code's."""


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
