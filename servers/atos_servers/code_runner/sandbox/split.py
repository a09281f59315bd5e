"""Split mode: the tests run here, the code under test in another process; only JSON crosses.

The code can lie about values, never about verdicts: it has no way to the reporter, and an object
whose `__eq__` always agrees does not cross. For function-level code that follows `catalogue_rules`.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, cast

from atos_servers.code_runner.sandbox import catalogue_rules, code_process, scan, value_codec
from atos_servers.code_runner.sandbox.job import Job

REPLY_BYTES = 4 * 2**20
REPLY_SECONDS = 10.0
MOST_VIOLATIONS = 8


def module_name(path: str) -> str:
    """Return the name under which tests import a file: below the folder or its `src`."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if parts[-1] == "__init__" and len(parts) > 1:
        parts = parts[:-1]
    return ".".join(parts)


def _texts(job: Job, *, tests: bool) -> dict[str, str]:
    return {
        path: Path(job.folder, path).read_bytes()[: scan.SOURCE_BYTES].decode(errors="replace")
        for path in scan.python_files(job.folder)
        if scan.is_test_file(path) == tests and PurePosixPath(path).name != "conftest.py"
    }


def _asked_for(job: Job) -> dict[str, str]:
    """Return the test files that this run is about: path -> text."""
    found = _texts(job, tests=True)
    return {
        path: text
        for path, text in found.items()
        if path != job.canary and scan.is_selected(path, job.arguments)
    }


def _reached(job: Job, modules: Mapping[str, str]) -> set[str]:
    """Return the modules that the tests import, directly or by one another.

    Whatever else lies in the folder is not part of this run: a person's own modules need not follow
    the catalogue's rules.
    """
    reached: set[str] = set()
    texts = list(_asked_for(job).values())
    while texts:
        names = {name for name in scan.imported_names(texts.pop()) if name in modules}
        texts += [modules[name] for name in names - reached]
        reached |= names
    return reached


def _modules(job: Job) -> dict[str, tuple[str, str]]:
    """Return what the tests reach: name -> path and text."""
    every = {module_name(path): (path, text) for path, text in _texts(job, tests=False).items()}
    reached = _reached(job, {name: text for name, (_, text) in every.items()})
    return {name: every[name] for name in sorted(reached)}


def sources(job: Job) -> dict[str, str]:
    """Return the modules under test: name -> text. Packages without a file get an empty one."""
    found = {name: text for name, (_, text) in _modules(job).items()}
    for name in list(found):
        parts = name.split(".")
        for length in range(1, len(parts)):
            found.setdefault(".".join(parts[:length]), "")
    return found


def refusals(job: Job) -> list[str]:
    """Return why these tests and their modules can't be run in split mode; empty when they can."""
    modules = frozenset(sources(job))
    violations = [
        violation
        for path, text in _modules(job).values()
        for violation in catalogue_rules.code_violations(text, path, modules)
    ]
    asked_for = _asked_for(job)
    for path, text in asked_for.items():
        violations += catalogue_rules.test_violations(text, path, modules)
    violations += _package_violations(job, asked_for)
    return violations[:MOST_VIOLATIONS]


def _package_violations(job: Job, tests: Iterable[str]) -> list[str]:
    """Return the packages of tests that have code: pytest runs it beside the report."""
    folders = {folder for path in tests for folder in PurePosixPath(path).parents}
    return [
        f"{path}: the package of a test must be empty"
        for path in sorted(str(folder / "__init__.py") for folder in folders)
        if Path(job.folder, path).is_file() and Path(job.folder, path).read_bytes().strip()
    ]


def exception_of(kinds: Sequence[str]) -> type[Exception]:
    """Return the nearest built-in exception among the names of an exception's classes."""
    for kind in kinds:
        found = getattr(builtins, str(kind), None)
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    return RuntimeError


def _raised(kind: type[Exception], message: str) -> Exception:
    """Return an error of a class with what it said; some, such as `UnicodeDecodeError`, take other arguments."""
    try:
        return kind(message)
    except TypeError:

        def said(_: object) -> str:
            return message

        told = cast("Any", type(kind.__name__, (kind,), {"__str__": said}))
        if issubclass(kind, ExceptionGroup):
            return told(message, [RuntimeError(message)])
        return told.__new__(told)


class CodeProcess:
    """The connection to the process that runs the code."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        connection.settimeout(REPLY_SECONDS)

    def _read_line(self) -> bytes:
        __tracebackhide__ = True
        while b"\n" not in self._rest:
            try:
                part = self._connection.recv(65536)
            except TimeoutError:
                self._connection.close()
                message = f"the code gave no answer in {REPLY_SECONDS:.0f} s"
                raise TimeoutError(message) from None
            if not part:
                message = "the code's process ended"
                raise RuntimeError(message)
            self._rest += part
            if len(self._rest) > REPLY_BYTES:
                self._connection.close()
                message = f"the code answered with more than {REPLY_BYTES} bytes"
                raise RuntimeError(message)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            Exception: what the code raised, as the nearest built-in class; or `RuntimeError` and
                `TimeoutError` when there is no answer.
        """
        __tracebackhide__ = True
        if self._connection.fileno() < 0:
            message = "the code's process was abandoned"
            raise RuntimeError(message)
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._read_line())
        if "raised" in answer:
            error = _raised(exception_of(answer["raised"]), str(answer["message"]))
            if answer["place"]:
                error.add_note(f"at {answer['place']}")
            raise error
        return answer


def _calling(process: CodeProcess, module: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        __tracebackhide__ = True  # a failure is shown at the test's line
        request = {
            "module": module,
            "function": function,
            "arguments": value_codec.encode(arguments),
            "named": value_codec.encode(named),
        }
        return value_codec.decode(process.ask(request)["value"])

    call.__name__ = call.__qualname__ = function
    return call


class RemoteModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules under test as stand-ins whose functions ask the other process."""

    def __init__(self, process: CodeProcess, names: frozenset[str]) -> None:
        self._process = process
        self._names = names

    def answers(self) -> bool:
        """Return whether the other process confined itself and serves."""
        try:
            self._process.ask({"module": ""})
        except ImportError:
            return True
        except (OSError, RuntimeError):
            return False
        return False

    def install(self) -> None:
        """Take precedence over every other importer."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claim the modules under test."""
        del path, target
        if fullname not in self._names:
            return None
        package = any(name.startswith(f"{fullname}.") for name in self._names)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the stand-in with the functions and constants that the other process names."""
        name = module.__name__
        for export, what in self._process.ask({"module": name})["names"].items():
            value = (
                _calling(self._process, name, export)
                if "function" in what
                else value_codec.decode(what["value"])
            )
            setattr(module, export, value)


def start(job: Job, channel: socket.socket) -> RemoteModules:
    """Fork the code's process, which confines itself, and return the way to import from it."""
    texts = sources(job)
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    if os.fork() == 0:
        ours.close()
        channel.close()
        try:
            code_process.serve(theirs, texts, job.limits, parent)
        finally:
            os._exit(0)
    theirs.close()
    return RemoteModules(CodeProcess(ours), frozenset(texts))
