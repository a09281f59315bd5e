"""The process that runs the code under test in split mode: it computes and answers, nothing else.

It has the sources in memory, a table of harmless builtins, one socket, and a seccomp filter that
allows no path to be opened and no process to be started.
"""

from __future__ import annotations

import builtins
import codecs
import importlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from atos_servers.code_runner.sandbox import confine, value_codec
from atos_servers.code_runner.sandbox.catalogue_rules import NAMES
from atos_servers.code_runner.sandbox.job import Limits

MESSAGE_CHARACTERS = 300
CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-32", "cp1252", "unicode_escape")


def _safe_builtins() -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(builtins).items()
        if not name.startswith("_") and name not in NAMES
    }


class Modules:
    """Loads the modules under test from memory, each once, when first asked for."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._loaded: dict[str, ModuleType] = {}
        self._builtins = {**_safe_builtins(), "__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """Return a module, run at its first use.

        Raises:
            ImportError: there is no such module; or whatever its code raises.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._sources:
            message = f"no module named {name!r}"
            raise ImportError(message)
        module = ModuleType(name)
        module.__dict__["__builtins__"] = self._builtins
        self._loaded[name] = module
        try:
            code = compile(self._sources[name], f"{name}.py", "exec", dont_inherit=True)
            exec(code, vars(module))  # noqa: S102 - what this process is for
        except BaseException:
            del self._loaded[name]
            raise
        return module

    def _import(
        self,
        name: str,
        _globals: object = None,
        _locals: object = None,
        fromlist: tuple[str, ...] = (),
        _level: int = 0,
    ) -> ModuleType:
        parts = name.split(".")
        chain = [self.load(".".join(parts[: n + 1])) for n in range(len(parts))]
        for outer, inner, part in zip(chain, chain[1:], parts[1:], strict=False):
            setattr(outer, part, inner)
        return chain[-1] if fromlist else chain[0]


def _exports(module: ModuleType) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in vars(module).items():
        if name.startswith("__") or isinstance(value, ModuleType):
            continue
        names[name] = (
            {"function": True}
            if type(value) is FunctionType
            else {"value": value_codec.encode(value)}
        )
    return names


def _place(error: BaseException) -> str:
    step, place = error.__traceback__, ""
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith("/"):
            place = f"{file}:{step.tb_lineno}"
        step = step.tb_next
    return place


def _failure(error: BaseException) -> dict[str, Any]:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    try:
        message = str(error)[:MESSAGE_CHARACTERS]
    except BaseException:  # noqa: BLE001 - hostile or broken code; its class is known
        message = ""
    return {"raised": kinds, "message": message, "place": _place(error)}


def _answer(request: dict[str, Any], modules: Modules) -> dict[str, Any]:
    module = modules.load(request["module"])
    if "function" not in request:
        return {"names": _exports(module)}
    function = getattr(module, request["function"])
    arguments = value_codec.decode(request["arguments"])
    return {
        "value": value_codec.encode(function(*arguments, **value_codec.decode(request["named"])))
    }


def _line(request: bytes, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    try:
        return json.dumps(answer(json.loads(request))).encode() + b"\n"
    except BaseException as error:  # noqa: BLE001 - whatever the code raises crosses as data
        return json.dumps(_failure(error)).encode() + b"\n"


def close_all_but(kept: int) -> None:
    """Leave nothing open but one descriptor; the standard ones lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def serve(
    connection: socket.socket, sources: Mapping[str, str], limits: Limits, parent: int
) -> None:
    """Confine this process and answer until the other end closes."""
    importlib.import_module("unicodedata")  # now: nothing can be opened later
    for codec in CODECS:
        codecs.lookup(codec)
    close_all_but(connection.fileno())
    confine.confine_pure(limits, parent)
    modules = Modules(sources)
    with connection.makefile("rb") as requests:
        for request in requests:
            connection.sendall(_line(request, lambda asked: _answer(asked, modules)))
