"""Judging from outside: the tests run here, any code runs in a process that this one never imports from.

The launcher reads the test files (`outside_rules`) and says which can be judged so. This process is confined, forks
the one for the code (`object_process`) before it has the report's key, and runs pytest with stand-ins (`wire`, `handles`) for
the modules under test. The code's process is confined at least as much, has none of the judge's descriptors, can't
open the judge's memory (it is not dumpable, and seccomp refuses tracing), and can't read the test files where the
kernel has Landlock. So it can return wrong values, or end, and no more.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from atos_servers.code_runner.sandbox import (
    code_process,
    confine,
    guest_imports,
    handles,
    landlock,
    object_process,
    outside_rules,
    scan,
    split,
    wire,
)
from atos_servers.code_runner.sandbox.job import Job


@dataclass(frozen=True, slots=True)
class Division:
    """Which of the requested tests can be judged from outside."""

    outside: tuple[str, ...]
    """Targets: files or node ids."""
    inside: tuple[str, ...]
    reasons: tuple[str, ...]
    """Why the others can't: `test_a.py: line 3: it imports subprocess`."""


def divided(job: Job) -> Division:
    """Read the requested test files and divide them. Nothing is run."""
    modules = frozenset(_modules(job))
    files = [
        path
        for path in scan.python_files(job.folder)
        if path != job.canary and scan.is_test_file(path) and scan.is_selected(path, job.arguments)
    ]
    why = {path: _why_not(job, path, modules) for path in files}
    if any(_is_plain_file(job, target) for target in job.arguments):  # pytest runs it all the same
        why = dict.fromkeys(files, "a file is named that is no test file")
    outside = [path for path in files if not why[path]]
    if not outside:
        inside = job.arguments
    else:
        inside = tuple(t for path in files if why[path] for t in _targets(job, path))
    reasons = tuple(f"{path}: {text}" for path, text in why.items() if text)
    return Division(tuple(t for path in outside for t in _targets(job, path)), inside, reasons)


def _is_plain_file(job: Job, target: str) -> bool:
    path = target.partition("::")[0]
    return Path(job.folder, path).is_file() and not scan.is_test_file(path)


def _targets(job: Job, path: str) -> tuple[str, ...]:
    chosen = [target for target in job.arguments if target.startswith(f"{path}::")]
    whole = not job.arguments or scan.is_selected(path, tuple(set(job.arguments) - set(chosen)))
    return (path,) if (whole and set(job.arguments) != set(chosen)) or not chosen else tuple(chosen)


def _why_not(job: Job, path: str, modules: frozenset[str]) -> str:
    text = Path(job.folder, path).read_bytes()
    if scan.problem(text, path):
        return "it can't be compiled"
    for folder in PurePosixPath(path).parents:
        package = Path(job.folder, folder, "__init__.py")
        if package.is_file() and package.read_bytes().strip():
            return f"{folder}/__init__.py has code, which pytest would run beside the report"
    return outside_rules.why_not(text.decode(errors="replace"), modules)


def _modules(job: Job) -> Iterator[str]:
    for path in scan.python_files(job.folder):
        if not scan.is_test_file(path) and PurePosixPath(path).name != "conftest.py":
            parts = split.module_name(path).split(".")
            yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules under test as stand-ins whose every name is asked for over the wire."""

    def __init__(self, link: wire.Link, names: frozenset[str], texts: tuple[str, ...]) -> None:
        self._link, self._names, self._texts = link, names, texts

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claim the modules under test, unless their names are those of the judge's own."""
        del path, target
        if fullname not in self._names or outside_rules.shadows(fullname):
            return None
        package = any(name.startswith(f"{fullname}.") for name in self._names)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return an empty stand-in."""
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Have the code's process import the module."""
        try:
            number, names = self._link.imported(module.__name__)
        except SystemExit as error:
            message = f"{module.__name__} ended itself when it was imported: {error!r}"
            raise ImportError(message) from None
        handle = handles.Handle(self._link, {"n": number, "is": "object"})
        vars(module)["__remote__"] = handle
        vars(module)["__all__"] = self._starred(module.__name__, handle, names)

    def _starred(self, module: str, handle: Any, names: list[str]) -> list[str]:
        """Return the names that `*` may bring: none by which a test means something else."""
        texts = [text for text in self._texts if outside_rules.has_star(text, module)]
        used = frozenset[str]().union(*map(outside_rules.names_used, texts))
        bound = frozenset[str]().union(*map(outside_rules.names_imported, texts))
        brought: list[str] = []
        for name in filter(str.isidentifier, names):
            taken = name in bound or outside_rules.is_taken(name)
            if name.startswith("__") or (taken and name not in used):
                continue
            if taken and not self._is_genuine(handle, name):
                self._link.notes.touched = True
                message = f"{module} exports {name}, by which a test may mean something else"
                raise ImportError(message)
            brought.append(name)
        return brought

    def _is_genuine(self, handle: Any, name: str) -> bool:
        """Return whether the code means by a name what the test means by it."""
        value = getattr(handle, name)
        if type(value) is handles.Handle:
            return False
        return isinstance(value, type | ModuleType) and value.__name__ == name


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        if name.startswith(("__", "_pytest", "pytest_")):
            raise AttributeError(name)
        return getattr(vars(self)["__remote__"], name)


def start(job: Job, channel: socket.socket, supervisor: int) -> wire.Link:
    """Fork the code's process, which confines itself, and return the wire to it.

    Called before this process has the report's key. No code of the workspace runs before the judge asks for it.
    """
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    if os.fork() == 0:
        ours.close()
        channel.close()
        try:
            _serve(replace(job, outside=False), theirs, parent, supervisor)
        finally:
            os._exit(0)
    theirs.close()
    return wire.Link(ours, job.limits.wall)


def _serve(job: Job, connection: socket.socket, parent: int, supervisor: int) -> None:
    code_process.close_all_but(connection.fileno())
    confine.confine(job, supervisor, parent=parent)
    if job.landlock:
        _hide_tests(job)
    guest_imports.add_packages(job)
    guest_imports.hide_atos()
    os.chdir(job.folder)
    places = [job.folder, str(Path(job.folder, "src"))]
    sys.path[:0] = places
    guest_imports.forget_preloaded(places)
    sys.argv = ["pytest"]
    object_process.Server(connection, job.folder).serve()


def _hide_tests(job: Job) -> None:
    """Take the test files away from the code, which could look its answers up in them."""
    own = confine.BWRAP_OWN if job.level == "bwrap" else ()
    writable = [place for place in own[1:] if not Path(job.folder).is_relative_to(place)]
    landlock.restrict(
        [*job.readable, *own[:1], *_without_tests(Path(job.folder))],
        [*job.writable, *writable],
        interface=job.landlock,
        own_network=True,
        listed=[job.folder],
    )


def _without_tests(folder: Path) -> Iterator[str]:
    """Yield the entries of a folder that hold no test; a folder that holds one by its parts."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if any(scan.is_test_file(str(path)) for path in Path(entry.path).rglob("*.py")):
                yield from _without_tests(Path(entry.path))
            else:
                yield entry.path
        elif not scan.is_test_file(entry.name):
            yield entry.path


def stand_ins(job: Job, link: wire.Link) -> StandIns:
    """Return the importer of the modules under test."""
    tests = (target.partition("::")[0] for target in job.arguments)
    texts = [Path(job.folder, path).read_bytes().decode(errors="replace") for path in set(tests)]
    return StandIns(link, frozenset(_modules(job)), tuple(texts))
