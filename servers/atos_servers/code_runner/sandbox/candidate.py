"""The process of one candidate: it imports the modules under test and forks a cell for each row.

    forked -> imported -> told why not | prepared -> cell, told its outcome, cell, told, ... -> ended

From the import on it may be hostile. It tells one JSON text per line over a pipe of its own: first
why it could not be imported (or nothing), then each outcome in order. Nobody believes more of it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from atos_servers.code_runner.sandbox import (
    assertion,
    canonical,
    catalogue_rules,
    cell,
    scan,
    seccomp,
)
from atos_servers.code_runner.sandbox.assertion import Prepared, Space
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.split import module_name

LOAD_CPU_SECONDS, LOAD_WALL_SECONDS = 5.0, 12.0
MOST_TIMEOUTS = 5
"""Cells of one candidate that may time out; after them the rest counts as timed out, unrun."""


class Candidate:
    """The process that imports one candidate's modules and runs its cells."""

    def __init__(self, job: Job, folder: Path, modules: tuple[str, ...]) -> None:
        self._job, self._folder, self._modules = job, folder, modules
        self.reading, self._writing = os.pipe()

    def start(self, works: Sequence[Prepared], kept_out: int, deadline: float) -> int:
        """Fork the process; the caller reads one JSON line per outcome from `reading`.

        Args:
            works: what its cells are to run.
            kept_out: the evaluator's own way to report, which no candidate may have.
            deadline: of all cells, on the monotonic clock.
        """
        judges = (os.getpid(), os.getppid(), -os.getpgrp(), -1)
        child = os.fork()
        if child == 0:
            try:
                os.close(kept_out)
                os.close(self.reading)
                os.setsid()
                seccomp.install_apart(judges)
                self._serve(works, deadline)
            finally:
                os._exit(0)
        os.close(self._writing)
        return child

    def _tell(self, text: str) -> None:
        os.write(self._writing, json.dumps(text).encode() + b"\n")

    def _serve(self, works: Sequence[Prepared], deadline: float) -> None:
        for standard in (1, 2):
            os.dup2(0, standard)  # standard input is /dev/null
        cells = cell.Cells(self._job.scratch, self._writing, deadline)
        cells.enter()
        modules: dict[str, ModuleType] = {}
        why = self._refusal() or self._load(modules)
        self._tell(why)
        if why:
            return
        cells.prepare()
        space = assertion.space_of(assertion.names_of(modules))
        gc.freeze()  # a collection would write to every page that the cells share
        for text in _outcomes(cells, works, space):
            self._tell(text)

    def _refusal(self) -> str:
        """Return why the candidate breaks the catalogue's rules, where it must keep them."""
        if not self._job.catalogue:
            return ""
        texts = {
            path: (self._folder / path).read_text(encoding="utf-8", errors="replace")
            for path in scan.python_files(str(self._folder))
            if module_name(path) in self._modules
        }
        modules = frozenset(self._modules)
        found = (catalogue_rules.code_violations(texts[path], path, modules) for path in texts)
        return next((f"refused: {each[0]}" for each in found if each), "")

    def _load(self, modules: dict[str, ModuleType]) -> str:
        """Import the modules; return why that failed, or nothing."""
        sys.path[:0] = [str(self._folder), str(self._folder / "src")]
        sys.argv = [""]
        self._forget_what_it_replaces()
        cell.limit_time(LOAD_CPU_SECONDS, LOAD_WALL_SECONDS)
        try:
            for name in self._modules:
                modules[name] = importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - whatever the code raises
            return canonical.described(error)
        return ""

    def _forget_what_it_replaces(self) -> None:
        """Let a module that is named like a loaded one of the standard library be imported."""
        for place in (self._folder, self._folder / "src"):
            if place.is_dir():
                for entry in place.iterdir():
                    sys.modules.pop(entry.name.removesuffix(".py"), None)
        importlib.invalidate_caches()


def _outcomes(cells: cell.Cells, works: Sequence[Prepared], space: Space) -> Iterator[str]:
    timeouts = 0
    for work in works:
        late = timeouts >= MOST_TIMEOUTS
        text = "timeout" if late else cells.run(lambda work=work: work(space))
        timeouts += text == "timeout"
        yield text
