"""The four runs: tests, an evaluation, a script, a syntax check. Each waits, stages, runs, judges."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner import staging
from atos_servers.code_runner.covered_files import files_of
from atos_servers.code_runner.evaluation import Evaluated, stage
from atos_servers.code_runner.evaluation_report import Report
from atos_servers.code_runner.evidence import Canaries, Evidence, Stream, new_canaries, read_stream
from atos_servers.code_runner.execution import GRACE_SECONDS, Outcome, execute
from atos_servers.code_runner.interpreter import Interpreter, broken_environment, this_interpreter
from atos_servers.code_runner.places import Places
from atos_servers.code_runner.requests import (
    LONGEST_SECONDS,
    Script,
    checked_targets,
    checked_timeout,
)
from atos_servers.code_runner.run_contents import stage_sources, stage_tests, staged_script
from atos_servers.code_runner.run_folder import RunFolder, run_folder
from atos_servers.code_runner.runs import EvaluationRun, PytestRun, ScriptRun
from atos_servers.code_runner.sandbox.job import IsolationLevel, Job, Limits
from atos_servers.code_runner.sandbox.scan import SyntaxProblem
from atos_servers.code_runner.sandbox_probe import Policy, Prober, SandboxProbe, job_in
from atos_servers.code_runner.second_run import combined, left_over
from atos_servers.code_runner.targets import require_staged
from atos_servers.code_runner.verdict import ENDED, judge
from atos_servers.code_runner.warm_start import WarmStart

CALL_SECONDS = 44.0
"""A call, waiting and clean-up included, ends within this; hosts give up a little later."""
QUEUE_SECONDS = 900.0
"""How long a run that has a handle waits for its turn."""
SYNTAX_SECONDS = 10.0
SHORTEST_RUN_SECONDS = 1.0
"""Less is not worth the start of another run."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the runs of one pytest call have in common."""

    path: Path
    roots: Sequence[Path]
    overlay: Mapping[str, str]
    packages: tuple[str, ...]
    sandbox: SandboxProbe
    policy: Policy


def _unfinished(first: PytestRun) -> PytestRun:
    """Return a run after which no time was left for the tests that can't be judged from outside."""
    judgement = first.judgement
    if judgement.state not in {"passed", "unconfirmed", "no_tests"}:
        return first
    reason = f"no time was left to run {', '.join(first.inside[:4])}"
    return replace(
        first, judgement=replace(judgement, state="timeout", reasons=(*judgement.reasons, reason))
    )


class Runner:
    """Runs code for one server process, as many runs at once as there are cores, in order of arrival.

    Args:
        known: what an earlier probe found; probed at the first run otherwise.
        places: how many runs may go on at once; the number of cores otherwise.
        python: the interpreter that runs the code; this process's own otherwise.
        call_seconds: how long a call may last, its wait included.
        warm: forks the launchers of runs; each is started afresh otherwise. Whoever made it closes it.
    """

    def __init__(
        self,
        known: SandboxProbe | None = None,
        *,
        places: int | None = None,
        python: Interpreter | None = None,
        call_seconds: float = CALL_SECONDS,
        warm: WarmStart | None = None,
    ) -> None:
        self.python = python or this_interpreter()
        self._prober = Prober(known, self.python)
        self._places = Places(places or os.cpu_count() or 1)
        self._call_seconds = call_seconds
        self._warm = warm

    async def sandbox(self) -> SandboxProbe:
        """Return what this machine offers."""
        return await self._prober.sandbox()

    async def proven_sandbox(self) -> SandboxProbe:
        """Return what this machine offers, after the level was tried once more."""
        return await self._prober.proven()

    def _turn(self, wall: float, ticket: str) -> AbstractAsyncContextManager[None]:
        """Wait for a turn, no longer than leaves time for the run.

        Raises:
            BusyError: it has not come; the error's ticket keeps the place in the queue.
        """
        if wall > LONGEST_SECONDS:  # no call waits for it: it has a handle
            return self._places.turn(QUEUE_SECONDS, ticket)
        return self._places.turn(self._call_seconds - wall - GRACE_SECONDS, ticket)

    @asynccontextmanager
    async def _folder(self, wall: float, ticket: str) -> AsyncGenerator[RunFolder]:
        """Wait for a turn, and make the folders of a run."""
        async with self._turn(wall, ticket):
            with run_folder() as folder:
                yield folder

    async def tests(
        self,
        path: Path,
        roots: Sequence[Path],
        *,
        chosen: Sequence[str] = (),
        overlay: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        policy: Policy = "general",
        packages: tuple[str, ...] = (),
        ticket: str = "",
        coverage: bool = False,
    ) -> PytestRun:
        """Stage a folder, run its tests in the sandbox, and judge them.

        With `coverage`, a run of its own measures which lines ran, if time is left: measuring is slower and sits in
        the code's process, so it must not touch the verdict.

        Raises:
            AtosError: bad arguments, no sandbox that is strong enough, or the turn has not come (`BusyError`).
        """
        wall, wanted = checked_timeout(seconds), checked_targets(chosen)
        if coverage and policy == "catalogue":
            message = "coverage is measured in the code's own process, which the catalogue policy does not give it"
            raise BadRequestError(message, next_step="Leave policy out, or coverage.")
        sandbox = await self.sandbox()
        asked = _Asked(path, roots, overlay or {}, packages, sandbox, policy)
        async with self._turn(wall, ticket):
            deadline = time.monotonic() + wall
            run = await self._judged(asked, wanted, deadline)
            if not coverage or (rest := deadline - time.monotonic()) < SHORTEST_RUN_SECONDS:
                return run
            measured = await self._pytest(asked, wanted, rest, outside=False, coverage=True)
        cpu = run.cpu_seconds + measured.cpu_seconds
        return replace(run, coverage=measured.coverage, cpu_seconds=cpu)

    async def coverage(
        self,
        path: Path,
        roots: Sequence[Path],
        *,
        chosen: Sequence[str] = (),
        seconds: float = 30.0,
        packages: tuple[str, ...] = (),
        ticket: str = "",
    ) -> PytestRun:
        """Run a folder's tests once, in the code's own process, and measure which lines ran.

        Raises:
            AtosError: as for `tests`.
        """
        wall, wanted = checked_timeout(seconds), checked_targets(chosen)
        asked = _Asked(path, roots, {}, packages, await self.sandbox(), "general")
        async with self._turn(wall, ticket):
            return await self._pytest(asked, wanted, wall, outside=False, coverage=True)

    async def _judged(self, asked: _Asked, wanted: tuple[str, ...], deadline: float) -> PytestRun:
        """Judge from outside what can be judged so, and the rest in a second run."""
        wall, outside = deadline - time.monotonic(), asked.policy == "general"
        first = await self._pytest(asked, wanted, wall, outside=outside)
        left = left_over(first.judgement, first.outside, first.inside)
        if not left or (rest := deadline - time.monotonic()) < SHORTEST_RUN_SECONDS:
            return first if not first.inside or not first.outside else _unfinished(first)
        second = await self._pytest(asked, left, rest, outside=False)
        return replace(
            second,
            judgement=combined(first.judgement, second.judgement),
            started_at=first.started_at,
            cpu_seconds=first.cpu_seconds + second.cpu_seconds,
        )

    async def _pytest(
        self,
        asked: _Asked,
        targets: tuple[str, ...],
        wall: float,
        *,
        outside: bool,
        coverage: bool = False,
    ) -> PytestRun:
        level, catalogue = asked.sandbox.choose(asked.policy), asked.policy == "catalogue"
        with run_folder() as folder:
            canaries = new_canaries()
            steering = await anyio.to_thread.run_sync(
                stage_tests, asked.path, asked.roots, folder, asked.overlay, canaries
            )
            require_staged(targets, folder.code, catalogue=catalogue)
            job = job_in(
                folder, level, asked.sandbox, kind="pytest", arguments=targets, canary=canaries.file,
                catalogue=catalogue, outside=outside, coverage=coverage, limits=Limits(wall=wall), packages=asked.packages,
            )  # fmt: skip
            outcome = await execute(job, warm=self._warm)
        return _judged(outcome, canaries, steering, level, self.python)

    async def evaluation(
        self,
        path: Path,
        roots: Sequence[Path],
        asked: Evaluated,
        *,
        seconds: float = 30.0,
        policy: Policy = "general",
        packages: tuple[str, ...] = (),
        ticket: str = "",
    ) -> EvaluationRun:
        """Run every candidate against every assertion and call, in as few runs as possible.

        Raises:
            AtosError: bad arguments, no sandbox that is strong enough, or the turn has not come (`BusyError`).
        """
        wall = checked_timeout(seconds)
        sandbox = await self.sandbox()
        level = sandbox.choose("general")
        intervals = list[tuple[float, float]]()
        report = Report(
            candidates=len(asked.candidates),
            assertions=len(asked.assertions),
            calls=len(asked.calls),
        )
        async with self._turn(wall, ticket):
            deadline = time.monotonic() + wall
            while report.left and (left := deadline - time.monotonic()) >= SHORTEST_RUN_SECONDS:
                with run_folder() as folder:
                    await anyio.to_thread.run_sync(stage, path, roots, folder, asked, report.left)
                    job = job_in(
                        folder, level, sandbox, kind="evaluate", catalogue=policy == "catalogue",
                        limits=Limits(wall=left), packages=packages,
                    )  # fmt: skip
                    outcome = await execute(job, warm=self._warm)
                intervals.append(outcome.interval())
                self._take(outcome, report)
        return EvaluationRun(report.outcomes(), level, intervals[0][0], intervals[-1][1])

    def _take(self, outcome: Outcome, report: Report) -> None:
        """Add what one run of an evaluation reported, and charge its early end to a candidate."""
        stream = read_stream(bytes(outcome.report.data), outcome.key)
        _require_start(stream, outcome, self.python)
        report.add(stream.records)
        if outcome.cause != "timeout":
            ended = ENDED.get(outcome.cause, ("error", f"exit code {outcome.code}"))
            report.blame(ended[1])

    async def script(
        self,
        path: Path,
        roots: Sequence[Path],
        script: Script,
        *,
        seconds: float = 30.0,
        packages: tuple[str, ...] = (),
        ticket: str = "",
    ) -> ScriptRun:
        """Stage a folder and run a script in the copy, which is thrown away afterwards.

        Raises:
            AtosError: bad arguments, no sandbox that is strong enough, or the turn has not come (`BusyError`).
        """
        wall = checked_timeout(seconds)
        sandbox = await self.sandbox()
        level = sandbox.choose("general")
        async with self._folder(wall, ticket) as folder:
            await anyio.to_thread.run_sync(staging.stage_folder, path, roots, folder.code)
            stdin = folder.path / "stdin"
            stdin.write_bytes(script.stdin.encode(errors="surrogatepass"))
            job = job_in(
                folder, level, sandbox, kind="script", script=staged_script(script, folder),
                arguments=script.arguments, limits=Limits(wall=wall), packages=packages,
            )  # fmt: skip
            outcome = await execute(job, stdin=stdin, warm=self._warm)
        _require_start(read_stream(bytes(outcome.report.data), outcome.key), outcome, self.python)
        return ScriptRun(outcome, level)

    async def syntax(
        self, path: Path | None, roots: Sequence[Path], source: str, ticket: str = ""
    ) -> list[SyntaxProblem]:
        """Compile sources in a separate process, without running them.

        Raises:
            AtosError: bad arguments, or the turn has not come (`BusyError`).
        """
        if path is not None and source:
            message = "`path` and `source` both say what to check"
            raise BadRequestError(message, next_step="Give one of them, not both.")
        if path is None and not source:
            message = "neither `path` nor `source` says what to check"
            raise BadRequestError(message, next_step="Give a file or folder, or a text.")
        async with self._folder(SYNTAX_SECONDS, ticket) as folder:
            await anyio.to_thread.run_sync(stage_sources, path, roots, source, folder)
            limits = Limits(wall=SYNTAX_SECONDS)
            job = Job(
                "syntax", "seccomp", str(folder.code), str(folder.scratch), limits=limits,
                run_folder=str(folder.path), executable=self.python.executable,
            )  # fmt: skip
            outcome = await execute(job, warm=self._warm)
        if "started" not in outcome.status:
            _require_start(Stream((), intact=True), outcome, self.python)
        if (found := outcome.status.get("problems")) is None:
            return [SyntaxProblem("", 0, 0, "too large or nested too deeply to be compiled")]
        return [SyntaxProblem(**problem) for problem in found]


def _judged(
    outcome: Outcome,
    canaries: Canaries,
    steering: list[str],
    level: IsolationLevel,
    python: Interpreter,
) -> PytestRun:
    status = outcome.status
    stream = read_stream(bytes(outcome.report.data), outcome.key)
    if not status.get("refused"):
        _require_start(stream, outcome, python)
    evidence = Evidence(
        stream=stream,
        canaries=canaries,
        expected=status.get("expected", []),
        steering=steering,
        cause=outcome.cause,
        code=outcome.code,
        judged="outside" if status.get("split") else "in-process",
        refused=status.get("refused", []),
        stderr=f"{outcome.stdout.text}\n{outcome.stderr.text}".strip(),
    )
    started, ended = outcome.interval()
    division = status.get("division", {})
    return PytestRun(
        judge(evidence), level, bool(status.get("split")), tuple(division.get("outside", ())),
        tuple(division.get("inside", ())), started, ended, outcome.cause, outcome.cpu_seconds,
        files_of(stream.records),
    )  # fmt: skip


def _require_start(stream: Stream, outcome: Outcome, python: Interpreter) -> None:
    """Refuse to judge a run that ended before any code of the caller's was reached.

    Raises:
        SandboxUnavailableError: the interpreter, its packages or the launcher does not work here.
    """
    if stream.started or not stream.intact or outcome.cause not in {"", "lost"}:
        return
    ended = f"the launcher ended before the code began (exit code {outcome.code})"
    said = f"{ended}: {outcome.last_line[:200]}" if outcome.last_line else ended
    raise broken_environment(python.executable, stream.broken or said)
