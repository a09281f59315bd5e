"""The three runs: tests, a script, a syntax check. Waiting for a place, staging, running, judging."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from atos_protocol.errors import BadRequestError, BusyError
from atos_servers.code_runner import staging
from atos_servers.code_runner.canaries import Canaries, new_canaries
from atos_servers.code_runner.execution import GRACE_SECONDS, Outcome, execute
from atos_servers.code_runner.sandbox.job import Job, Limits, Rung
from atos_servers.code_runner.sandbox.scan import SOURCE_BYTES, SyntaxProblem
from atos_servers.code_runner.sandbox_probe import SAYS, Policy, Prober, SandboxProbe, job_in
from atos_servers.code_runner.selection import relative_path, targets
from atos_servers.code_runner.stream import read_stream
from atos_servers.code_runner.verdict import ENDED, STEERING, Evidence, Judgement, judge
from atos_servers.code_runner.workplace import Workplace, workplace

LONGEST_SECONDS = 40.0
CALL_SECONDS = 44.0
"""A call, waiting and clean-up included, ends within this; hosts give up a little later."""
SYNTAX_SECONDS = 10.0
STDIN_BYTES = 2**20
ARGUMENT_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class PytestRun:
    """A judged pytest run."""

    judgement: Judgement
    rung: Rung
    split: bool
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A script that ended."""

    outcome: Outcome
    rung: Rung

    @property
    def cause(self) -> str:
        """Why it was ended from outside; empty when it ended by itself."""
        return self.outcome.cause


@dataclass(frozen=True, slots=True)
class Script:
    """What to run: the text of a script, or a file of the staged copy."""

    code: str = ""
    file: str = ""
    arguments: tuple[str, ...] = ()
    stdin: str = ""


def checked_timeout(seconds: float) -> float:
    """Return the time limit of a run.

    Raises:
        BadRequestError: it is no time, or longer than a call may last.
    """
    if not 0 < seconds <= LONGEST_SECONDS:
        message = f"timeout_s is {seconds}; it must be above 0 and at most {LONGEST_SECONDS:.0f}"
        step = "Split longer work: run fewer tests per call by naming them in `tests`."
        raise BadRequestError(message, next_step=step)
    return float(seconds)


def _steering_in(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.name in STEERING or path.suffix == ".pth")
    return sorted(path.relative_to(folder).as_posix() for path in found)


class Runner:
    """Runs code for one server process: as many at once as there are cores, first come first."""

    def __init__(self, known: SandboxProbe | None = None, *, places: int | None = None) -> None:
        self._prober = Prober(known)
        self._places = anyio.CapacityLimiter(places or os.cpu_count() or 1)

    async def ladder(self) -> SandboxProbe:
        """Return the sandbox ladder of this machine."""
        return await self._prober.ladder()

    @asynccontextmanager
    async def _place(self, wall: float) -> AsyncGenerator[Workplace]:
        """Wait for a turn, no longer than leaves time for the run, and make its folders.

        Raises:
            BusyError: the queue did not move in time.
        """
        began = time.monotonic()
        turn = object()
        with anyio.move_on_after(CALL_SECONDS - wall - GRACE_SECONDS) as waiting:
            await self._places.acquire_on_behalf_of(turn)
        if waiting.cancelled_caught:
            waited = time.monotonic() - began
            message = (
                f"{self._places.total_tokens:.0f} runs are going; none ended in {waited:.0f} s"
            )
            raise BusyError(message, next_step="Ask again, or with a shorter timeout_s.")
        try:
            with workplace() as place:
                yield place
        finally:
            self._places.release_on_behalf_of(turn)

    async def tests(
        self,
        path: Path,
        roots: Sequence[Path],
        *,
        chosen: Sequence[str] = (),
        overlay: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        policy: Policy = "general",
    ) -> PytestRun:
        """Stage a folder, run its tests in the sandbox, and judge them.

        Raises:
            AtosError: bad arguments, no sandbox that is strong enough, or no turn in time.
        """
        wall, wanted = checked_timeout(seconds), targets(chosen)
        ladder = await self.ladder()
        rung = ladder.choose(policy)
        async with self._place(wall) as place:
            canaries = new_canaries()
            steering = await anyio.to_thread.run_sync(
                _stage, path, roots, place, overlay or {}, canaries
            )
            job = job_in(
                place, rung, ladder, kind="pytest", arguments=wanted, canary=canaries.file,
                catalogue=policy == "catalogue", limits=Limits(wall=wall),
            )  # fmt: skip
            outcome = await execute(job)
        return _judged(outcome, canaries, steering, rung)

    async def script(
        self,
        path: Path,
        roots: Sequence[Path],
        script: Script,
        *,
        seconds: float = 30.0,
    ) -> ScriptRun:
        """Stage a folder and run a script in the copy, which is thrown away afterwards.

        Raises:
            AtosError: bad arguments, no sandbox that is strong enough, or no turn in time.
        """
        wall = checked_timeout(seconds)
        if (size := sum(map(len, script.arguments))) > ARGUMENT_CHARACTERS:
            message = f"the arguments have {size} characters, more than {ARGUMENT_CHARACTERS}"
            raise BadRequestError(message, next_step="Hand long input over by `stdin` or a file.")
        ladder = await self.ladder()
        rung = ladder.choose("general")
        async with self._place(wall) as place:
            await anyio.to_thread.run_sync(staging.stage_folder, path, roots, place.code)
            stdin = place.folder / "stdin"
            stdin.write_bytes(script.stdin.encode()[:STDIN_BYTES])
            job = job_in(
                place, rung, ladder, kind="script", script=_script_file(script, place),
                arguments=script.arguments, limits=Limits(wall=wall),
            )  # fmt: skip
            return ScriptRun(await execute(job, stdin=stdin), rung)

    async def syntax(
        self, path: Path | None, roots: Sequence[Path], source: str
    ) -> list[SyntaxProblem]:
        """Compile sources in a process of its own, without running them.

        Raises:
            AtosError: bad arguments, or no turn in time.
        """
        if path is not None and source:
            message = "`path` and `source` say both what to check"
            raise BadRequestError(message, next_step="Give one of them, not both.")
        async with self._place(SYNTAX_SECONDS) as place:
            await anyio.to_thread.run_sync(_stage_sources, path, roots, source, place)
            limits = Limits(wall=SYNTAX_SECONDS)
            job = Job(
                "syntax", "seccomp", str(place.code), str(place.scratch),
                limits=limits, run_folder=str(place.folder),
            )  # fmt: skip
            outcome = await execute(job)
        if (found := outcome.told.get("problems")) is None:
            return [SyntaxProblem("", 0, 0, "too large or nested too deeply to be compiled")]
        return [SyntaxProblem(**problem) for problem in found]


def _stage(
    path: Path,
    roots: Sequence[Path],
    place: Workplace,
    overlay: Mapping[str, str],
    canaries: Canaries,
) -> list[str]:
    staging.stage_folder(path, roots, place.code)
    staging.put(place.code, {**overlay, canaries.file: canaries.text})
    return _steering_in(place.code)


def _stage_sources(path: Path | None, roots: Sequence[Path], source: str, place: Workplace) -> None:
    if path is None:
        staging.put(place.code, {"source.py": source[: SOURCE_BYTES + 1]})
    elif staging.is_folder(path, roots):
        staging.stage_folder(path, roots, place.code)
    else:
        staging.stage_file(path, roots, place.code)


def _script_file(script: Script, place: Workplace) -> str:
    if bool(script.code) == bool(script.file):
        message = "exactly one of `code` and `file` says what to run"
        raise BadRequestError(message, next_step="Give the text of a script, or a file's path.")
    if script.code:
        taken = (place.code / "script.py").exists()
        name = f"{place.folder.name}.py" if taken else "script.py"
        staging.put(place.code, {name: script.code})
        return name
    file = relative_path(script.file)
    if not (place.code / file).is_file():
        message = f"there is no file {script.file[:80]!r} in the folder"
        raise BadRequestError(message, next_step="Give a file's path relative to `path`.")
    return str(file)


def _judged(outcome: Outcome, canaries: Canaries, steering: list[str], rung: Rung) -> PytestRun:
    told: dict[str, Any] = outcome.told
    evidence = Evidence(
        stream=read_stream(bytes(outcome.report.data), outcome.key),
        canaries=canaries,
        expected=told.get("expected", []),
        steering=steering,
        cause=outcome.cause,
        code=outcome.code,
        refused=told.get("refused", []),
        stderr=f"{outcome.stdout.text}\n{outcome.stderr.text}".strip(),
    )
    started, ended = outcome.interval()
    return PytestRun(judge(evidence), rung, bool(told.get("split")), started, ended)


def reason_of(cause: str) -> str:
    """Return why a run was ended from outside, in words."""
    return ENDED[cause][1] if cause else ""


def says(rung: Rung) -> str:
    """Return a rung in words."""
    return SAYS[rung]
