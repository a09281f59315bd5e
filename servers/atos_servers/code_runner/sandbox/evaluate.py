"""Runs every candidate against every assertion and call, each cell on its own.

Four kinds of process, one below the other, each trusting only itself and what is above it:

    reporter    holds the report's key; relays the lines of the evaluator to the host
    evaluator   forked before the key arrived; one candidate after the other, each with its share of
                the time that is left; takes at most one line per cell from each
    candidate   imports the modules under test, so it may be hostile; forks its cells
    cell        runs one assertion or call (see `cell`), and ends

A candidate that can't be imported costs itself, a cell that crashes costs the cell. Verdicts of a
candidate are formed in processes that its code shares, so it could forge its own; those of others
are out of its reach. If it manages to end the whole run, the host goes on with the next one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import secrets
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from atos_servers.code_runner.sandbox import assertion, canonical, catalogue_rules, cell, scan
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.report import Emit
from atos_servers.code_runner.sandbox.split import module_name

PLAN = "plan.json"
"""In the scratch folder; read and removed before any code runs."""
LOAD_CPU_SECONDS, LOAD_WALL_SECONDS = 5.0, 12.0
MOST_TIMEOUTS = 8
"""Cells of one candidate that may time out; after them the rest counts as timed out, unrun."""
LINE_BYTES = 20_000
LAST_SECONDS = 0.5
"""Kept of the wall time, so that the report is finished before the supervisor ends the run."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate. Candidate number n is the folder of that name below the job's."""

    candidates: tuple[int, ...]
    modules: tuple[tuple[str, ...], ...]
    """For each candidate: the modules whose names its assertions may use."""
    assertions: tuple[str, ...]
    calls: tuple[str, ...]

    def to_json(self) -> str:
        """Return the text of the plan's file."""
        return json.dumps(asdict(self))

    @property
    def cells(self) -> int:
        """How many cells each candidate has."""
        return len(self.assertions) + len(self.calls)


def _read_plan(job: Job) -> Plan:
    file = Path(job.scratch, PLAN)
    raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    modules = tuple(tuple(names) for names in raw["modules"])
    return Plan(tuple(raw["candidates"]), modules, tuple(raw["assertions"]), tuple(raw["calls"]))


class Candidate:
    """The process that has imported one candidate's modules and runs its cells."""

    def __init__(self, job: Job, plan: Plan, index: int, deadline: float) -> None:
        self._job, self._plan, self._deadline = job, plan, deadline
        self._folder = Path(job.folder, str(plan.candidates[index]))
        self._modules = plan.modules[index]
        self.reading, self._writing = os.pipe()

    def start(self) -> int:
        """Fork the process; the caller reads one JSON line per outcome from `reading`."""
        child = os.fork()
        if child == 0:
            try:
                os.close(self.reading)
                self._serve()
            finally:
                os._exit(0)
        os.close(self._writing)
        return child

    def _tell(self, text: str) -> None:
        os.write(self._writing, json.dumps(text).encode() + b"\n")

    def _serve(self) -> None:
        os.setsid()
        for standard in (1, 2):
            os.dup2(0, standard)  # standard input is /dev/null
        scratch = Path(self._job.scratch)
        cell.enter(scratch / secrets.token_hex(4))
        modules: dict[str, ModuleType] = {}
        why = self._refusal() or self._load(modules)
        self._tell(why)
        if why:
            return
        names = assertion.names_of(modules)
        gc.freeze()
        for text in self._outcomes(names, scratch):
            self._tell(text)

    def _refusal(self) -> str:
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
        finally:
            cell.limit_time(0, 0)
        return ""

    def _forget_what_it_replaces(self) -> None:
        """Let a module that is named like a loaded one of the standard library be imported."""
        for place in (self._folder, self._folder / "src"):
            if place.is_dir():
                for entry in place.iterdir():
                    sys.modules.pop(entry.name.removesuffix(".py"), None)
        importlib.invalidate_caches()

    def _outcomes(self, names: dict[str, Any], scratch: Path) -> Iterator[str]:
        timeouts = 0
        kinds = (assertion.check,) * len(self._plan.assertions)
        kinds += (assertion.value,) * len(self._plan.calls)
        for run, source in zip(kinds, self._plan.assertions + self._plan.calls, strict=True):
            if timeouts >= MOST_TIMEOUTS:
                yield "timeout"
                continue
            folder = scratch / secrets.token_hex(4)
            text = cell.run(
                lambda run=run, source=source: run(source, names),
                folder, self._writing, self._deadline,
            )  # fmt: skip
            timeouts += text == "timeout"
            yield text


def _lines(reading: int, most: int, deadline: float) -> Iterator[str]:
    """Yield the outcomes that a candidate writes: at most so many, each short and printable."""
    data, taken = b"", 0
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    while taken < most:
        line, separator, rest = data.partition(b"\n")
        if separator:
            data = rest
            taken += 1
            yield _outcome(line)
            continue
        left = deadline - time.monotonic()
        if left <= 0 or len(data) > LINE_BYTES or not poller.poll(left * 1000):
            return
        if not (part := os.read(reading, 65536)):
            return
        data += part


def _outcome(line: bytes) -> str:
    try:
        text = json.loads(line)
    except (ValueError, RecursionError):
        return "error: not an outcome"
    if not isinstance(text, str):
        return "error: not an outcome"
    return canonical.cut(canonical.printable(text), canonical.VALUE_CHARACTERS)


def _evaluate(job: Job, plan: Plan, index: int, share: float, emit: Emit) -> None:
    deadline = time.monotonic() + share
    candidate = Candidate(job, plan, index, deadline - LAST_SECONDS / 2)
    number = plan.candidates[index]
    child = candidate.start()
    outcomes = _lines(candidate.reading, 1 + plan.cells, deadline)
    load = next(outcomes, None)
    emit({"event": "load", "candidate": number, "why": _why(child, load, deadline)})
    given = 0
    for given, text in enumerate(outcomes, 1):
        emit({"event": "cell", "candidate": number, "why": text})
    if load == "" and given < plan.cells:
        late = time.monotonic() >= deadline - LAST_SECONDS
        rest = "timeout" if late else "error: the candidate's process ended"
        for _ in range(plan.cells - given):
            emit({"event": "cell", "candidate": number, "why": rest})
    cell.end(child)
    os.close(candidate.reading)
    cell.clear(Path(job.scratch, "-"))


def _why(child: int, load: str | None, deadline: float) -> str:
    if load is not None:
        return load
    code = cell.wait(child, min(deadline, time.monotonic() + 1.0))
    return "timeout" if code is None else cell.ended(code).removeprefix("error: ")


def _evaluate_all(job: Job, emit: Emit, deadline: float) -> None:
    plan = _read_plan(job)
    emit({"event": "started"})
    count = len(plan.candidates)
    for index in range(count):
        share = (deadline - time.monotonic()) / (count - index)
        _evaluate(job, plan, index, share, emit)
    emit({"event": "finish"})


def start(job: Job, channel: socket.socket) -> int:
    """Fork the evaluator, without the channel to the host; return where its lines come from."""
    reading, writing = os.pipe()
    deadline = time.monotonic() + job.limits.wall - LAST_SECONDS
    if os.fork() == 0:
        channel.close()
        os.close(reading)

        def emit(record: dict[str, Any]) -> None:
            os.write(writing, json.dumps(record).encode() + b"\n")

        try:
            _evaluate_all(job, emit, deadline)
        finally:
            os._exit(0)
    os.close(writing)
    return reading


def relay(reading: int, emit: Emit) -> int:
    """Report every line of the evaluator until it ends."""
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            emit(json.loads(line))
    return 0
