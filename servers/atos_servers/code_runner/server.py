"""The code_runner server: pytest, evaluations, Python and syntax checks in a sandbox, over MCP."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from atos_protocol.packages import PackagesReport
from atos_protocol.verdicts import (
    Evaluation,
    Isolation,
    IsolationLevel,
    Proven,
    ScriptResult,
    ScriptState,
    SyntaxFault,
    SyntaxReport,
    TestCase,
    Verdict,
)
from atos_servers.code_runner.evaluation import Evaluated
from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.packages.environments import Environments
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.run_folder import sweeping
from atos_servers.code_runner.runner import PytestRun, Runner, ScriptRun
from atos_servers.code_runner.sandbox import job
from atos_servers.code_runner.sandbox_probe import DESCRIPTIONS, TRIED
from atos_servers.code_runner.tool_arguments import (
    Arguments,
    Assertions,
    Calls,
    Candidates,
    Code,
    EvaluationRules,
    File,
    Folder,
    Modules,
    Overlay,
    Packages,
    Place,
    Rules,
    Seconds,
    Source,
    Stdin,
    Targets,
    Ticket,
    Wanted,
)
from atos_servers.code_runner.verdict import ENDED, LIMITS, Judgement
from atos_servers.code_runner.warm_start import WarmStart
from atos_servers.host.connection import roots
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only

INSTRUCTIONS = """\
Runs code in a sandbox, on a copy. `run_pytest` finds out whether code passes its tests, `evaluate` chooses between
versions of it, `run_python` shows what a script prints. `sandbox_status` tells how code is isolated here.
"""
MOST_TESTS = 300
CASES_CHARACTERS = 16_000
STDOUT_CHARACTERS = 16_000
STDERR_CHARACTERS = 8_000
MOST_FAULTS = 100
IN_PROCESS = (
    "Every test of the sources ran to its end and reported over an authenticated channel; canary "
    "tests had their known outcomes; configuration and conftest files were not read. Not proven: what is "
    "marked in-process was decided in the code's own process, so code written to cheat could forge it."
)
SPLIT = (
    "The tests ran in one process and the code in another; only plain values crossed and were compared "
    "where the code can't reach, so it can return wrong values but can't change a verdict. Not proven: "
    "anything the tests don't check."
)
EVALUATED = (
    "Each cell ran in a process of its own, and each candidate apart from the others; the report's "
    "key was in none of them. Not proven: an assertion shares its cell with the candidate, so code "
    "written to cheat could forge its own outcomes, not those of others."
)
NOTHING = "Nothing: the run did not reach a trustworthy end."


class SandboxStatus(BaseModel):
    """How this machine isolates code."""

    level: Annotated[
        IsolationLevel, Field(description="Strongest isolation level of this machine.")
    ]
    description: Annotated[str, Field(description="What it protects and what it does not.")]
    remedies: Annotated[list[str], Field(description="What would give a stronger level.")]
    missing: Annotated[
        dict[str, str], Field(description="Stronger level -> why it does not hold here.")
    ]
    denied: Annotated[
        list[str], Field(description="What was tried from inside just now, and was denied.")
    ]
    interpreter: Annotated[str, Field(description="Path of the Python that runs code.")]
    uid: Annotated[int, Field(description="User id of this server.")]


def _isolation(level: job.IsolationLevel) -> Isolation:
    return Isolation(level=level, description=DESCRIPTIONS[level])


def _proven(judged: Judgement) -> Proven:
    if judged.state not in {"passed", "unconfirmed", "failed"}:
        return "nothing"
    inside = any(test.judged == "in-process" for test in judged.tests)
    return "in-process" if inside else "outside"


EXPLANATIONS: dict[Proven, str] = {"outside": SPLIT, "in-process": IN_PROCESS, "nothing": NOTHING}


def _cases(judged: Judgement) -> list[TestCase]:
    """List tests, those that did not pass first, as many as fit in a reply."""
    left, cases = CASES_CHARACTERS, list[TestCase]()
    for test in sorted(judged.tests, key=lambda test: test.outcome == "passed")[:MOST_TESTS]:
        left -= len(test.id) + len(test.why)
        if left < 0:
            break
        cases.append(TestCase(test.id, test.outcome, test.why, test.judged, round(test.seconds, 4)))
    return cases


def _verdict(run: PytestRun) -> Verdict:
    judged = run.judgement
    return Verdict(
        ok=judged.state == "passed",
        state=judged.state,
        proven=_proven(judged),
        passed=judged.passed,
        failed=len(judged.tests) - judged.passed,
        tests=tuple(_cases(judged)),
        digest=judged.digest,
        reasons=judged.reasons,
        isolation=_isolation(run.level),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=run.started_at,
        ended_at=run.ended_at,
        explanation=EXPLANATIONS[_proven(judged)],
        limit=LIMITS.get(run.cause, ""),
        cpu_s=round(run.cpu_seconds, 3),
    )


def _script_state(run: ScriptRun) -> ScriptState:
    match run.cause:
        case "":
            return "ok" if run.outcome.code == 0 else "failed"
        case "timeout" | "memory_limit" | "output_limit":
            return run.cause
        case _:
            return "error"


def _script_result(run: ScriptRun) -> ScriptResult:
    kept = (run.outcome.stdout, run.outcome.stderr)
    stdout, stderr = (part.text for part in kept)
    cut = len(stdout) > STDOUT_CHARACTERS or len(stderr) > STDERR_CHARACTERS
    started, ended = run.outcome.interval()
    return ScriptResult(
        exit_code=run.outcome.code,
        stdout=stdout[:STDOUT_CHARACTERS],
        stderr=stderr[-STDERR_CHARACTERS:],
        truncated=cut or any(part.total > len(part.data) for part in kept),
        state=_script_state(run),
        reason=ENDED[run.cause][1] if run.cause else "",
        isolation=_isolation(run.level),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=started,
        ended_at=ended,
        limit=LIMITS.get(run.cause, ""),
        cpu_s=round(run.outcome.cpu_seconds, 3),
    )


class Tools:
    """The tools; each is one call of the runner in the connection's directories."""

    def __init__(self, runner: Runner, environments: Environments) -> None:
        self._runner = runner
        self._environments = environments

    async def run_pytest(
        self,
        path: Folder,
        tests: Targets = [],  # noqa: B006 - shown in the schema, never changed
        overlay: Overlay = {},  # noqa: B006
        timeout_s: Seconds = 30.0,
        policy: Rules = "general",
        packages: Packages = [],  # noqa: B006
        ticket: Ticket = "",
    ) -> Verdict:
        """Use to find out whether code passes its tests. Runs pytest on a copy, in a sandbox.

        The verdict is judged from an authenticated report, not from printed output: skipped,
        deleted or never-run tests do not pass. `ok` is true only where the code could not have
        forged it; else a pass is 'unconfirmed'. Nothing is written to your folder. conftest.py and
        configuration files are not read.
        """
        run = await self._runner.tests(
            Path(path), roots(), chosen=tests, overlay=overlay, seconds=timeout_s, policy=policy,
            packages=self._environments.folders(packages), ticket=ticket,
        )  # fmt: skip
        return _verdict(run)

    async def evaluate(
        self,
        path: Folder,
        candidates: Candidates,
        assertions: Assertions,
        calls: Calls = [],  # noqa: B006 - shown in the schema, never changed
        modules: Modules = [],  # noqa: B006
        timeout_s: Seconds = 30.0,
        policy: EvaluationRules = "general",
        packages: Packages = [],  # noqa: B006
        ticket: Ticket = "",
    ) -> Evaluation:
        """Use to choose between versions of code: runs each against every assertion and call.

        Every cell runs on its own in a sandbox, in an empty folder, for at most 1 s of CPU time: a
        bad import, a crash or an endless loop costs one cell or one candidate. Floats are compared
        with tolerance. Nothing is written to your folder.
        """
        asked = Evaluated(tuple(candidates), tuple(assertions), tuple(calls), tuple(modules))
        run = await self._runner.evaluation(
            Path(path), roots(), asked, seconds=timeout_s, policy=policy,
            packages=self._environments.folders(packages), ticket=ticket,
        )  # fmt: skip
        return Evaluation(
            candidates=run.outcomes,
            isolation=_isolation(run.level),
            interpreter=sys.executable,
            uid=os.getuid(),
            started_at=run.started_at,
            ended_at=run.ended_at,
            proven="in-process",
            explanation=EVALUATED,
        )

    async def run_python(
        self,
        path: Folder,
        code: Code = "",
        file: File = "",
        args: Arguments = [],  # noqa: B006 - shown in the schema, never changed
        stdin: Stdin = "",
        timeout_s: Seconds = 30.0,
        packages: Packages = [],  # noqa: B006
        ticket: Ticket = "",
    ) -> ScriptResult:
        """Use to see what a script prints or how it fails. Runs it on a copy, in a sandbox.

        It may write in the copy, which is discarded afterwards. There is no network and no
        access to other files.
        """
        script = Script(code, file, tuple(args), stdin)
        run = await self._runner.script(
            Path(path), roots(), script, seconds=timeout_s,
            packages=self._environments.folders(packages), ticket=ticket,
        )  # fmt: skip
        return _script_result(run)

    async def prepare_packages(self, packages: Wanted) -> PackagesReport:
        """Use once before code that imports more than the standard library is run.

        Installs packages for the sandbox, from wheels only: no package's code is run while
        installing. Call again while its state is preparing; what is installed stays.
        """
        found = await self._environments.prepare(packages)
        if found is None:
            return PackagesReport(
                "preparing", (), (), next="It goes on. Call prepare_packages again."
            )
        step = "Give `packages` to run_pytest or run_python."
        return PackagesReport("ready", found.packages, found.modules, next=step)

    async def check_syntax(
        self, path: Place = "", source: Source = "", ticket: Ticket = ""
    ) -> SyntaxReport:
        """Use before running code: compiles without running, and names each file's first error."""
        place = Path(path) if path else None
        found = await self._runner.syntax(place, roots(), source, ticket)
        faults = [
            SyntaxFault(path=f.path, line=f.line, column=f.column, message=f.message) for f in found
        ]
        return SyntaxReport(ok=not faults, errors=tuple(faults[:MOST_FAULTS]))

    async def sandbox_status(self) -> SandboxStatus:
        """Use to see how code is isolated on this machine and how to improve that."""
        sandbox = await self._runner.proven_sandbox()
        return SandboxStatus(
            level=sandbox.level or "none",
            description=sandbox.description,
            remedies=sandbox.remedies,
            missing={str(level): why for level, why in sandbox.missing.items()},
            denied=list(TRIED) if sandbox.level else [],
            interpreter=self._runner.python.executable,
            uid=os.getuid(),
        )


def _lifespan(warm: WarmStart) -> Callable[[FastMCP], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def living(_: FastMCP) -> AsyncGenerator[None]:
        with sweeping():
            try:
                yield
            finally:
                await warm.close()

    return living


def build(services: Services) -> FastMCP:
    """Make the server; the sandbox is probed at the first call that needs it."""
    environments = Environments(services.settings.home / "environments")
    services.busy_checks.append(environments.is_busy)
    warm = WarmStart(this_interpreter())
    tools = Tools(Runner(warm=warm), environments)
    server: FastMCP = FastMCP(
        "atos-code-runner", instructions=INSTRUCTIONS, lifespan=_lifespan(warm)
    )
    server.tool(tools.run_pytest, annotations=read_only("Run tests in the sandbox"))
    server.tool(tools.evaluate, annotations=read_only("Evaluate candidates in the sandbox"))
    server.tool(tools.run_python, annotations=read_only("Run Python in the sandbox"))
    server.tool(tools.prepare_packages, annotations=changing("Install packages", open_world=True))
    server.tool(tools.check_syntax, annotations=read_only("Check Python syntax"))
    server.tool(tools.sandbox_status, annotations=read_only("Sandbox status"))
    return server
