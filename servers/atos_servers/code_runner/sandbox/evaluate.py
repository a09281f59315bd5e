"""Runs every candidate against every assertion and call, each cell on its own.

Four kinds of process, one below the other, each trusting only itself and what is above it:

    reporter    holds the report's key; relays the lines of the evaluator to the host
    evaluator   forked before the key arrived; one candidate after the other, each with its share of
                the time that is left; takes at most one line per cell from each
    candidate   imports the modules under test, so it may be hostile (see `candidate`)
    cell        runs one assertion or call, and ends (see `cell`)

A candidate that can't be imported costs itself, a cell that crashes costs the cell. Verdicts of a
candidate are formed in processes that its code shares, so it could forge its own; those of others
are out of its reach. If it manages to end the whole run, the host goes on with the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from atos_servers.code_runner.sandbox import assertion, canonical, cell, confine, kernel, removal
from atos_servers.code_runner.sandbox.assertion import Prepared
from atos_servers.code_runner.sandbox.candidate import Candidate
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.plan import read_plan
from atos_servers.code_runner.sandbox.report import Emit

ENOUGH_SECONDS = 2.0
"""For a candidate without endless loops, on a busy machine."""
ENDING_SECONDS = 1.0
"""For a process to end once it has closed its end of the pipe."""
LAST_SECONDS = 0.5
"""Kept of the wall time, so that the report is finished before the supervisor ends the run."""
SAFE_CHARACTERS = 2000
"""No source of this length makes the compiler crash or take long."""
LINE_BYTES = 20_000


def _prepared(source: str, prepare: Callable[[str], Prepared]) -> Prepared:
    """Compile a source for all candidates; a long one in each cell, where it can do no harm."""
    if len(source) > SAFE_CHARACTERS:
        return lambda space: prepare(source)(space)
    return prepare(source)


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


class Evaluator:
    """Evaluates one candidate after the other, and reports a line for each cell of each."""

    def __init__(self, job: Job, writing: int, deadline: float) -> None:
        self._job, self._writing, self._deadline = job, writing, deadline
        self._plan = read_plan(job.scratch)
        works = [_prepared(text, assertion.prepared_assertion) for text in self._plan.assertions]
        works += [_prepared(text, assertion.prepared_call) for text in self._plan.calls]
        self._works = works

    def _emit(self, record: dict[str, Any]) -> None:
        os.write(self._writing, json.dumps(record).encode() + b"\n")

    def run(self) -> None:
        """Evaluate all candidates; time that one doesn't use is the later ones'."""
        self._emit({"event": "started"})
        count = len(self._plan.candidates)
        for index, number in enumerate(self._plan.candidates):
            deadline = time.monotonic() + self._share(count - index - 1)
            self._evaluate(number, self._plan.modules[index], deadline)
        self._emit({"event": "finish"})

    def _share(self, others: int) -> float:
        """Return a candidate's seconds: twice its part, if enough is left for those after it."""
        left = self._deadline - time.monotonic()
        part = left / (others + 1)
        return max(part, min(2 * part, left - others * ENOUGH_SECONDS))

    def _evaluate(self, number: int, modules: tuple[str, ...], deadline: float) -> None:
        candidate = Candidate(self._job, Path(self._job.folder, str(number)), modules)
        child = candidate.start(self._works, self._writing, deadline - LAST_SECONDS / 2)
        outcomes = _lines(candidate.reading, 1 + len(self._works), deadline)
        load = next(outcomes, None)
        why = load if load is not None else _why_not_loaded(child, deadline)
        self._emit({"event": "load", "candidate": number, "why": why})
        for text in self._completed(outcomes, deadline) if why == "" else ():
            self._emit({"event": "cell", "candidate": number, "why": text})
        cell.end(child)
        _reap()
        os.close(candidate.reading)
        shared = confine.BWRAP_OWN[1:] if self._job.level == "bwrap" else ()
        for folder in (self._job.scratch, *shared):
            removal.empty_folder(folder)

    def _completed(self, outcomes: Iterator[str], deadline: float) -> Iterator[str]:
        """Yield an outcome for every cell, whatever the candidate told."""
        given = 0
        for text in outcomes:
            given += 1
            yield text
        late = time.monotonic() >= deadline - LAST_SECONDS
        rest = "timeout" if late else "error: the candidate's process ended"
        yield from [rest] * (len(self._works) - given)


def _reap() -> None:
    """Collect the orphans of a candidate that was killed: they count as processes until then."""
    deadline = time.monotonic() + ENDING_SECONDS
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(cell.LOOK_SECONDS)


def _why_not_loaded(child: int, deadline: float) -> str:
    code = cell.wait(child, min(deadline, time.monotonic() + ENDING_SECONDS))
    return "timeout" if code is None else cell.ended(code).removeprefix("error: ")


def start(job: Job, channel: socket.socket) -> int:
    """Fork the evaluator, without the channel to the host; return where its lines come from."""
    reading, writing = os.pipe()
    deadline = time.monotonic() + job.limits.wall - LAST_SECONDS
    if os.fork() == 0:
        channel.close()
        os.close(reading)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        warnings.simplefilter("ignore")
        try:
            Evaluator(job, writing, deadline).run()
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
