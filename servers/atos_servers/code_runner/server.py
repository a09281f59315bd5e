"""The code_runner server: pytest, evaluations, Python and syntax checks in a sandbox, over MCP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar, cast

import anyio.to_thread
from fastmcp import FastMCP
from pydantic import BaseModel, Field

from atos_protocol.packages import EnvironmentReport, PackagesReport
from atos_protocol.verdicts import (
    CoverageReport,
    Evaluation,
    IsolationLevel,
    ScriptResult,
    SyntaxFault,
    SyntaxReport,
    Verdict,
)
from atos_servers.code_runner.evaluation import Evaluated
from atos_servers.code_runner.held_runs import HeldRuns
from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.packages.declared_files import declared_in, environment_report
from atos_servers.code_runner.packages.environments import Environments
from atos_servers.code_runner.packages.requirements import checked_packages
from atos_servers.code_runner.requests import LONGEST_SECONDS, Script, checked_timeout
from atos_servers.code_runner.run_folder import sweeping
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.runs import EvaluationRun, PytestRun, ScriptRun
from atos_servers.code_runner.sandbox_probe import TRIED
from atos_servers.code_runner.tool_arguments import (
    Arguments,
    Assertions,
    Calls,
    Candidates,
    Code,
    EvaluationRules,
    File,
    Folder,
    Handle,
    Measured,
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
from atos_servers.code_runner.tool_results import (
    coverage_of,
    evaluation_of,
    sayable,
    script_result_of,
    verdict_of,
)
from atos_servers.code_runner.warm_start import WarmStart
from atos_servers.host.connection import roots
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only

INSTRUCTIONS = """\
Runs code in a sandbox, on a copy. `run_pytest` finds out whether code passes its tests, `evaluate` chooses between
versions of it, `run_python` shows what a script prints. `sandbox_status` tells how code is isolated here.
"""
MOST_FAULTS = 100
FULL = "full"
"""Tag of the tools that a small model can do without."""
Run = TypeVar("Run", PytestRun, ScriptRun, EvaluationRun)
Told = TypeVar("Told", Verdict, ScriptResult, Evaluation, CoverageReport)


KINDS: dict[Callable[..., object], str] = {
    verdict_of: "a verdict",
    coverage_of: "a coverage report",
    evaluation_of: "an evaluation",
    script_result_of: "a script's result",
}
"""What makes a run's result -> what that is."""


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


class Tools:
    """The tools; each is one call of the runner in the connection's directories."""

    def __init__(self, runner: Runner, environments: Environments, held: HeldRuns) -> None:
        self._runner = runner
        self._environments = environments
        self._held = held

    async def run_pytest(
        self,
        path: Folder,
        tests: Targets = [],  # noqa: B006 - shown in the schema, never changed
        overlay: Overlay = {},  # noqa: B006
        timeout_s: Seconds = 30.0,
        policy: Rules = "general",
        packages: Packages = [],  # noqa: B006
        ticket: Ticket = "",
        coverage: Measured = False,
    ) -> Verdict:
        """Use to find out whether code passes its tests. Runs pytest on a copy, in a sandbox.

        The verdict is judged from an authenticated report, not from printed output: skipped,
        deleted or never-run tests do not pass. `ok` is true only where the code could not have
        forged it; else a pass is 'unconfirmed'. Nothing is written to your folder. conftest.py and
        configuration files are not read.
        """
        folders = self._environments.folders(packages)
        run = partial(
            self._runner.tests, Path(path), roots(), chosen=tests, overlay=overlay,
            seconds=timeout_s, policy=policy, packages=folders, ticket=ticket, coverage=coverage,
        )  # fmt: skip
        return await self._ended(timeout_s, ticket, run, verdict_of)

    async def coverage_report(
        self,
        path: Folder,
        tests: Targets = [],  # noqa: B006
        timeout_s: Seconds = 30.0,
        packages: Packages = [],  # noqa: B006
        ticket: Ticket = "",
    ) -> CoverageReport:
        """Use to see which lines of the code no test runs, file by file. Runs pytest in the sandbox."""
        folders = self._environments.folders(packages)
        run = partial(
            self._runner.coverage, Path(path), roots(), chosen=tests,
            seconds=timeout_s, packages=folders, ticket=ticket,
        )  # fmt: skip
        return await self._ended(timeout_s, ticket, run, coverage_of)

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
        folders = self._environments.folders(packages)
        run = partial(
            self._runner.evaluation, Path(path), roots(), asked,
            seconds=timeout_s, policy=policy, packages=folders, ticket=ticket,
        )  # fmt: skip
        return await self._ended(timeout_s, ticket, run, evaluation_of)

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
        folders = self._environments.folders(packages)
        run = partial(
            self._runner.script, Path(path), roots(), script,
            seconds=timeout_s, packages=folders, ticket=ticket,
        )  # fmt: skip
        return await self._ended(timeout_s, ticket, run, script_result_of)

    async def run_result(
        self, handle: Handle
    ) -> Verdict | ScriptResult | Evaluation | CoverageReport:
        """Use to fetch a run that had not ended when its call did (timeout_s above 40)."""
        result = await self._held.result(handle)
        if not isinstance(result, Verdict | ScriptResult | Evaluation | CoverageReport):
            raise TypeError(type(result))
        return result

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

    async def environment(self, path: Folder) -> EnvironmentReport:
        """Use once for a project with requirements.txt or pyproject.toml: installs what it declares.

        From wheels only, cached; the sandbox itself has no network. Call again while preparing.
        """
        source, wanted = await anyio.to_thread.run_sync(declared_in, Path(path), roots())
        requirements = checked_packages(wanted)
        found = await self._environments.prepare(requirements)
        return environment_report(source, requirements, found)

    async def check_syntax(
        self, path: Place = "", source: Source = "", ticket: Ticket = ""
    ) -> SyntaxReport:
        """Use before running code: compiles without running, and names each file's first error."""
        place = Path(path) if path else None
        found = await self._runner.syntax(place, roots(), source, ticket)
        faults = [
            SyntaxFault(
                path=sayable(f.path), line=f.line, column=f.column, message=sayable(f.message)
            )
            for f in found
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

    async def _ended(
        self,
        seconds: float,
        ticket: str,
        run: Callable[[], Awaitable[Run]],
        told: Callable[[Run], Told],
    ) -> Told:
        """Wait for a run; one that may outlast the call gets a handle, by which the same call goes on.

        Raises:
            DeadlineError: it goes on; the error's data has the `handle`.
        """

        async def work() -> Told:
            return told(await run())

        kind = KINDS[told]
        if self._held.knows(ticket, kind):
            return cast("Told", await self._held.result(ticket))
        if checked_timeout(seconds) <= LONGEST_SECONDS:
            return await work()
        return await self._held.begin(work, kind)


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
    held = HeldRuns()
    services.busy_checks.append(held.is_busy)
    services.background.append(held.serve)
    tools = Tools(Runner(warm=warm), environments, held)
    server: FastMCP = FastMCP(
        "atos-code-runner", instructions=INSTRUCTIONS, lifespan=_lifespan(warm)
    )
    server.tool(tools.run_pytest, annotations=read_only("Run tests in the sandbox"))
    server.tool(
        tools.coverage_report,
        annotations=read_only("Coverage of tests"),
        tags={FULL},
        output_schema=None,
    )
    server.tool(tools.evaluate, annotations=read_only("Evaluate candidates in the sandbox"))
    server.tool(tools.run_python, annotations=read_only("Run Python in the sandbox"))
    server.tool(tools.run_result, annotations=read_only("Result of a long run"), output_schema=None)
    server.tool(tools.prepare_packages, annotations=changing("Install packages", open_world=True))
    server.tool(
        tools.environment,
        annotations=changing("Install what a project declares", open_world=True),
        tags={FULL},
        output_schema=None,
    )
    server.tool(tools.check_syntax, annotations=read_only("Check Python syntax"))
    server.tool(tools.sandbox_status, annotations=read_only("Sandbox status"))
    return server
