"""The pytest runs of one call: what can be judged from outside is, the rest in a second run; coverage in a third."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.to_thread

from atos_servers.code_runner.covered_files import files_of
from atos_servers.code_runner.evidence import Canaries, Evidence, new_canaries, read_stream
from atos_servers.code_runner.execution import Outcome, execute, require_start
from atos_servers.code_runner.interpreter import Interpreter
from atos_servers.code_runner.run_contents import stage_tests
from atos_servers.code_runner.run_folder import RunFolder, run_folder
from atos_servers.code_runner.runs import PytestRun
from atos_servers.code_runner.sandbox.job import IsolationLevel, Limits
from atos_servers.code_runner.sandbox_probe import Policy, SandboxProbe, job_in
from atos_servers.code_runner.second_run import combined, left_over
from atos_servers.code_runner.targets import require_staged
from atos_servers.code_runner.verdict import judge
from atos_servers.code_runner.warm_start import WarmStart

SHORTEST_RUN_SECONDS = 1.0
"""Less is not worth the start of another run."""


@dataclass(frozen=True, slots=True)
class PytestCall:
    """What the runs of one pytest call have in common."""

    path: Path
    roots: Sequence[Path]
    overlay: Mapping[str, str]
    packages: tuple[str, ...]
    sandbox: SandboxProbe
    policy: Policy


class PytestRuns:
    """Runs pytest in the sandbox for calls that have their turn already.

    Args:
        python: the interpreter that runs the code.
        warm: forks the launchers; each is started afresh otherwise.
    """

    def __init__(self, python: Interpreter, warm: WarmStart | None) -> None:
        self._python = python
        self._warm = warm

    async def judged(self, call: PytestCall, wanted: tuple[str, ...], deadline: float) -> PytestRun:
        """Judge from outside what can be judged so, and the rest in a second run.

        Args:
            call: what is run.
            wanted: its targets; all tests where there are none.
            deadline: of `time.monotonic`, by which all runs have ended.
        """
        wall, outside = deadline - time.monotonic(), call.policy == "general"
        first = await self._run(call, wanted, wall, outside=outside)
        left = left_over(first.judgement, first.outside, first.inside)
        if not left or (rest := deadline - time.monotonic()) < SHORTEST_RUN_SECONDS:
            return first if not first.inside or not first.outside else _unfinished(first)
        second = await self._run(call, left, rest, outside=False)
        return replace(
            second,
            judgement=combined(first.judgement, second.judgement),
            started_at=first.started_at,
            cpu_seconds=first.cpu_seconds + second.cpu_seconds,
        )

    async def measured(self, call: PytestCall, wanted: tuple[str, ...], wall: float) -> PytestRun:
        """Run once, in the code's own process, and measure which lines ran; `wall` is in seconds."""
        return await self._run(call, wanted, wall, outside=False, coverage=True)

    async def _run(
        self,
        call: PytestCall,
        targets: tuple[str, ...],
        wall: float,
        *,
        outside: bool,
        coverage: bool = False,
    ) -> PytestRun:
        level, catalogue = call.sandbox.choose(call.policy), call.policy == "catalogue"
        with run_folder() as folder:
            canaries = new_canaries()
            steering = await anyio.to_thread.run_sync(_staged, call, targets, folder, canaries)
            job = job_in(
                folder, level, call.sandbox, kind="pytest", arguments=targets, canary=canaries.file,
                catalogue=catalogue, outside=outside, coverage=coverage, limits=Limits(wall=wall), packages=call.packages,
            )  # fmt: skip
            outcome = await execute(job, warm=self._warm)
        # how long that takes is up to the code, whose report has up to 8 MiB
        return await anyio.to_thread.run_sync(
            _judged, outcome, canaries, steering, level, self._python
        )


def _staged(
    call: PytestCall, targets: tuple[str, ...], folder: RunFolder, canaries: Canaries
) -> list[str]:
    """Stage the folder and see that it holds the targets; return the files that would steer pytest."""
    steering = stage_tests(call.path, call.roots, folder, call.overlay, canaries)
    require_staged(targets, folder.code, catalogue=call.policy == "catalogue")
    return steering


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
        require_start(stream, outcome, python)
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


def _unfinished(first: PytestRun) -> PytestRun:
    """Return a run after which no time was left for the tests that can't be judged from outside."""
    judgement = first.judgement
    if judgement.state not in {"passed", "unconfirmed", "no_tests"}:
        return first
    reason = f"no time was left to run {', '.join(first.inside[:4])}"
    return replace(
        first, judgement=replace(judgement, state="timeout", reasons=(*judgement.reasons, reason))
    )
