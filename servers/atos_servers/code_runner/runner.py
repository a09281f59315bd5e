"""The four runs: tests, an evaluation, a script, a syntax check. Each waits, stages, runs, judges."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner.evaluation import Evaluated, stage
from atos_servers.code_runner.evaluation_report import Report
from atos_servers.code_runner.evidence import Stream, read_stream
from atos_servers.code_runner.execution import (
    GRACE_SECONDS,
    Outcome,
    execute,
    require_start,
)
from atos_servers.code_runner.interpreter import Interpreter, this_interpreter
from atos_servers.code_runner.places import Places
from atos_servers.code_runner.pytest_runs import SHORTEST_RUN_SECONDS, PytestCall, PytestRuns
from atos_servers.code_runner.requests import (
    LONGEST_SECONDS,
    Script,
    checked_targets,
    checked_timeout,
)
from atos_servers.code_runner.run_contents import stage_script, stage_sources
from atos_servers.code_runner.run_folder import RunFolder, run_folder
from atos_servers.code_runner.runs import EvaluationRun, PytestRun, ScriptRun
from atos_servers.code_runner.sandbox.job import Job, Limits
from atos_servers.code_runner.sandbox.scan import SyntaxProblem
from atos_servers.code_runner.sandbox_probe import Policy, Prober, SandboxProbe, job_in
from atos_servers.code_runner.verdict import ENDED
from atos_servers.code_runner.warm_start import WarmStart

CALL_SECONDS = 44.0
"""A call, waiting and clean-up included, ends within this; hosts give up a little later."""
QUEUE_SECONDS = 900.0
"""How long a run that has a handle waits for its turn."""
SYNTAX_SECONDS = 10.0


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
        self._pytest = PytestRuns(self.python, warm)

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
        call = PytestCall(path, roots, overlay or {}, packages, sandbox, policy)
        async with self._turn(wall, ticket):
            deadline = time.monotonic() + wall
            run = await self._pytest.judged(call, wanted, deadline)
            if not coverage or (rest := deadline - time.monotonic()) < SHORTEST_RUN_SECONDS:
                return run
            measured = await self._pytest.measured(call, wanted, rest)
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
        call = PytestCall(path, roots, {}, packages, await self.sandbox(), "general")
        async with self._turn(wall, ticket):
            return await self._pytest.measured(call, wanted, wall)

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
        require_start(stream, outcome, self.python)
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
            staged = await anyio.to_thread.run_sync(stage_script, path, roots, script, folder)
            job = job_in(
                folder, level, sandbox, kind="script", script=staged, arguments=script.arguments,
                limits=Limits(wall=wall), packages=packages,
            )  # fmt: skip
            outcome = await execute(job, stdin=folder.stdin, warm=self._warm)
        report = bytes(outcome.report.data)
        stream = await anyio.to_thread.run_sync(read_stream, report, outcome.key)
        require_start(stream, outcome, self.python)
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
            require_start(Stream((), intact=True), outcome, self.python)
        if (found := outcome.status.get("problems")) is None:
            return [SyntaxProblem("", 0, 0, "too large or nested too deeply to be compiled")]
        return [SyntaxProblem(**problem) for problem in found]
