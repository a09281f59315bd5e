"""The process that runs any code while its tests are judged elsewhere: it imports, computes and answers.

The judge asks over a socket, one JSON line per question; plain values cross, and anything else stays in a table here
and is known to the judge by its number (see `handles` for the other side). A callable that a test hands over is
called back: then the judge answers a question of ours, and may ask in between.

    asked -> computed -> answered
               |  ^
               v  |
           asked back (the judge runs the test's callable)

What runs here is hostile: it can answer anything. It can't reach the judge's memory, descriptors or report, and the
files with the tests can't be read where the kernel has Landlock.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, cast

from atos_servers.code_runner.sandbox import outside_rules, value_codec
from atos_servers.code_runner.sandbox.object_operators import BASES, OPERATORS

MESSAGE_CHARACTERS = 300
PRINTED_CHARACTERS = 64_000
FUNCTIONS = (FunctionType, BuiltinFunctionType, BuiltinMethodType, MethodType)


def _built_in(name: str) -> Any:
    return getattr(builtins, name)


class Objects:
    """What stays on this side: objects by number, and the way back to the judge's callables."""

    def __init__(self, ask_back: Callable[[dict[str, Any]], Any]) -> None:
        self._held: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._ask_back = ask_back
        self._makers: dict[str, value_codec.Maker] = {
            **value_codec.SCALAR_MAKERS,
            "held": self._object,
            "callback": self._calling,
            "builtin": _built_in,
            "class": self._class_of,
            "error": self._error_of,
        }

    def _object(self, number: int) -> Any:
        return self._held[number]

    def number(self, value: Any) -> int:
        """Return the number of an object, which is kept from now on."""
        number = self._numbers.setdefault(id(value), len(self._held))
        if number == len(self._held):
            self._held.append(value)
        return number

    def encode(self, value: Any) -> Any:
        """Return the form of any value."""
        try:
            return value_codec.encode(value, others=self._other)
        except (value_codec.ValueCodecError, RecursionError):
            return self._as_held(value, "object")

    def decode(self, form: Any) -> Any:
        """Return the value of a form."""
        return value_codec.decode(form, self._makers)

    def _other(self, value: Any) -> Any:
        name = getattr(value, "__name__", "") if isinstance(value, (type, *FUNCTIONS)) else ""
        if isinstance(name, str) and getattr(builtins, name or "_", None) is value:
            return {"t": "builtin", "v": name}
        if type(value) is ModuleType and value.__name__ in outside_rules.TRUSTED:
            return {"t": "module", "v": value.__name__}
        if isinstance(value, type):
            return self._class_form(value)
        return self._as_held(value, "function" if type(value) in FUNCTIONS else "object")

    def _class_form(self, kind: type[Any]) -> Any:
        plain = f"{kind.__module__}.{kind.__name__}"
        if plain in value_codec.SCALARS and value_codec.is_class(kind, plain):
            return {"t": "class", "v": plain}
        if BaseException in kind.__mro__:
            return {"t": "error_class", "v": self.error_class(kind)}
        return self._as_held(kind, "class")

    def _as_held(self, value: Any, what: str) -> Any:
        kind = cast("type[Any]", type(value))
        about = {"n": self.number(value), "kind": kind.__name__[:80], "is": what}
        about["content"] = what == "object" and any(base in kind.__mro__ for base in BASES)
        name = getattr(value, "__name__", "") if what != "object" else ""
        return {"t": "held", "v": about | {"name": str(name)[:80]}}

    def error_class(self, kind: type[Any]) -> dict[str, Any]:
        """Return an exception class: by its name where it is Python's own, else with its bases."""
        if getattr(builtins, kind.__name__, None) is kind:
            return {"builtin": kind.__name__}
        module = sys.modules.get(kind.__module__)
        known = kind.__module__.removesuffix(".decoder") in outside_rules.TRUSTED
        if known and getattr(module, kind.__name__, None) is kind:
            return {"from": kind.__module__.removesuffix(".decoder"), "name": kind.__name__}
        bases = [self.error_class(base) for base in kind.__bases__ if BaseException in base.__mro__]
        return {"n": self.number(kind), "name": kind.__name__[:80], "bases": bases}

    def _calling(self, number: int) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            asked = {"callback": number, "args": self.encode(given), "named": self.encode(named)}
            return self._ask_back(asked)

        return call

    @staticmethod
    def _class_of(name: str) -> Any:
        module, _, plain = name.partition(".")
        return getattr(importlib.import_module(module), plain)

    def _error_of(self, parts: Any) -> Any:
        kind, arguments = self.decode(parts[0]), self.decode(parts[1])
        return kind(*arguments)


def _recorder() -> io.TextIOWrapper[io.BytesIO]:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


class Server:
    """Answers the judge's questions about the modules under test."""

    def __init__(self, connection: socket.socket, folder: str) -> None:
        self._connection, self._folder = connection, folder
        self._lines = connection.makefile("rb")
        self._objects = Objects(self._ask_back)
        self._printed = (_recorder(), _recorder())

    def serve(self) -> None:
        """Answer until the other end closes."""
        sys.stdout, sys.stderr = self._printed
        for line in self._lines:
            self._send(self._answer(json.loads(line)))

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _ask_back(self, question: dict[str, Any]) -> Any:
        self._send(question)
        for line in self._lines:
            message = json.loads(line)
            if "do" in message:
                self._send(self._answer(message))
            elif "error" in message:
                raise self._objects.decode(message["error"])
            else:
                return self._objects.decode(message["returned"])
        os._exit(0)

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = {}
        changeable = list[tuple[int, Any, Any]]()
        try:
            if "cwd" in asked:
                os.chdir(asked["cwd"])
            if asked["do"] == "import":
                reply["value"] = self._imported(asked["module"])
            else:
                given, named = map(self._objects.decode, (asked["args"], asked["named"]))
                changeable += self._changeable(given)
                found = OPERATORS[asked["do"]](*given, **named)
                reply["value"] = self._objects.encode(found)
        except BaseException as error:  # noqa: BLE001 - whatever the code raises crosses as data
            reply["raised"] = self._raised(error)
        changed = ([at, self._objects.encode(now), before] for at, now, before in changeable)
        if different := [[at, form] for at, form, before in changed if form != before]:
            reply["changed"] = different
        return reply | self._told()

    def _changeable(self, given: tuple[Any, ...]) -> Iterator[tuple[int, Any, Any]]:
        for at, value in enumerate(given):
            if type(value) in (list, dict, set, bytearray):
                yield at, value, self._objects.encode(value)

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for name, stream in zip(("out", "err"), self._printed, strict=True):
            kept = stream.buffer
            if text := kept.getvalue():
                told[name] = text.decode(errors="replace")[:PRINTED_CHARACTERS]
                kept.seek(0)
                kept.truncate()
        return told

    def _imported(self, name: str) -> Any:
        module = importlib.import_module(name)
        every: Any = getattr(module, "__all__", None)
        public = [each for each in vars(module) if not each.startswith("_")]
        chosen = cast("list[Any]", every) if type(every) in (list, tuple) else public
        names = [str(each) for each in chosen]
        return [self._objects.number(module), names]

    def _raised(self, error: BaseException) -> dict[str, Any]:
        message = ""
        with contextlib.suppress(BaseException):
            message = str(error)[:MESSAGE_CHARACTERS]
        return {
            "class": self._objects.error_class(type(error)),
            "args": self._objects.encode(error.args),
            "message": message,
            "place": self._place(error),
            "n": self._objects.number(error),
        }

    def _place(self, error: BaseException) -> str:
        step, place = error.__traceback__, ""
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file.startswith(f"{self._folder}/"):
                place = f"{file[len(self._folder) + 1 :]}:{step.tb_lineno}"
            step = step.tb_next
        return place
