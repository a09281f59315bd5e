"""The code_runner server: pytest, Python and syntax checks in a sandbox, over MCP."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from fastmcp import FastMCP
from mcp.types import ToolAnnotations
from pydantic import Field

from atos.servers.code_runner.inside.job import Rung
from atos.servers.code_runner.ladder import SAYS
from atos.servers.code_runner.models import (
    Isolation,
    SandboxStatus,
    ScriptResult,
    ScriptState,
    SyntaxFault,
    SyntaxReport,
    TestReport,
    Verdict,
)
from atos.servers.code_runner.runner import Runner, Script, ScriptRun, TestRun, reason_of
from atos.servers.code_runner.workplace import sweep
from atos.servers.connection import roots
from atos.servers.services import Services

MOST_TESTS = 300
IN_PROCESS = (
    "Every test of the sources ran to its end and reported over an authenticated channel; canaries "
    "came out as planted; configuration and conftest files were not read. Not proven: the code "
    "under test shares the tests' process, so code written to cheat could forge a report."
)
SPLIT = (
    "The tests ran in one process and the code in another that can open no file; only JSON values "
    "crossed, so the code can return wrong values but can't touch a verdict. Not proven: anything "
    "the tests don't look at, and changes that a function makes to its arguments."
)
NOTHING = "Nothing: the run did not come to a trustworthy end."

Folder = Annotated[
    str, Field(description="Folder with the code, inside this connection's directories.")
]
Seconds = Annotated[float, Field(description="Time limit of the run, at most 40.")]


def _isolation(rung: Rung) -> Isolation:
    return Isolation(rung=rung, says=SAYS[rung])


def _proven(run: TestRun) -> str:
    if run.judgement.state not in {"passed", "failed"}:
        return NOTHING
    return SPLIT if run.split else IN_PROCESS


def _verdict(run: TestRun) -> Verdict:
    judged = run.judgement
    tests = [TestReport(id=t.id, outcome=t.outcome, why=t.why) for t in judged.tests]
    return Verdict(
        ok=judged.state == "passed",
        state=judged.state,
        passed=judged.passed,
        failed=len(judged.tests) - judged.passed,
        tests=tests[:MOST_TESTS],
        digest=judged.digest,
        reasons=list(judged.reasons),
        isolation=_isolation(run.rung),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=run.started_at,
        ended_at=run.ended_at,
        proven=_proven(run),
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
    started, ended = run.outcome.interval()
    return ScriptResult(
        exit_code=run.outcome.code,
        stdout=kept[0].text,
        stderr=kept[1].text,
        truncated=any(part.total > len(part.data) for part in kept),
        state=_script_state(run),
        reason=reason_of(run.cause),
        isolation=_isolation(run.rung),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=started,
        ended_at=ended,
    )


def _reads(title: str) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        readOnlyHint=True,
        destructiveHint=False,
        idempotentHint=True,
        openWorldHint=False,
    )


def build(services: Services) -> FastMCP:
    """Make the server; the sandbox ladder is probed at the first call that needs it."""
    del services  # takes nothing of the host: roots come with each connection
    sweep()
    runner = Runner()
    server: FastMCP = FastMCP("atos-code-runner")

    @server.tool(annotations=_reads("Run tests in the sandbox"))
    async def run_pytest(
        path: Folder,
        tests: Annotated[
            list[str], Field(description="Files, folders or node ids; all when empty.")
        ] = [],  # noqa: B006 - FastMCP reads the default, nobody changes it
        overlay: Annotated[
            dict[str, str],
            Field(description="Relative path -> text to use instead, for instance a stub."),
        ] = {},  # noqa: B006
        timeout_s: Seconds = 30.0,
        policy: Annotated[
            Literal["general", "catalogue"],
            Field(description="'catalogue': plain functions without imports; runs on any rung."),
        ] = "general",
    ) -> Verdict:
        """Use to find out whether code passes its tests. Runs pytest on a copy, in a sandbox.

        The verdict is judged from an authenticated report, not from printed output: skipped,
        deleted or never-run tests are no pass. Nothing is written to your folder. conftest.py and
        configuration files are not read.
        """
        run = await runner.tests(
            Path(path), roots(), chosen=tests, overlay=overlay, timeout=timeout_s, policy=policy
        )
        return _verdict(run)

    @server.tool(annotations=_reads("Run Python in the sandbox"))
    async def run_python(
        path: Folder,
        code: Annotated[str, Field(description="Text of a script; or give `file`.")] = "",
        file: Annotated[str, Field(description="Script in the folder; or give `code`.")] = "",
        args: Annotated[list[str], Field(description="Arguments of the script.")] = [],  # noqa: B006
        stdin: Annotated[str, Field(description="What the script reads; at most 1 MiB.")] = "",
        timeout_s: Seconds = 30.0,
    ) -> ScriptResult:
        """Use to see what a script prints or how it fails. Runs it on a copy, in a sandbox.

        It may write in the copy, which is thrown away afterwards. There is no network and no
        access to other files.
        """
        script = Script(code, file, tuple(args), stdin)
        return _script_result(await runner.script(Path(path), roots(), script, timeout=timeout_s))

    @server.tool(annotations=_reads("Check Python syntax"))
    async def check_syntax(
        path: Annotated[str, Field(description="File or folder; or give `source`.")] = "",
        source: Annotated[str, Field(description="Text to compile; or give `path`.")] = "",
    ) -> SyntaxReport:
        """Use before running code: compiles it without running it and names each file's first fault."""
        place = Path(path) if path else None
        found = await runner.syntax(place, roots(), source)
        faults = [
            SyntaxFault(path=f.path, line=f.line, column=f.column, message=f.message) for f in found
        ]
        return SyntaxReport(ok=not faults, errors=faults)

    @server.tool(annotations=_reads("Sandbox status"))
    async def sandbox_status() -> SandboxStatus:
        """Use to see how well code is isolated on this machine and how to do better."""
        ladder = await runner.ladder()
        return SandboxStatus(
            rung=ladder.rung or "none",
            says=ladder.says,
            raise_it=ladder.raise_it,
            interpreter=sys.executable,
            uid=os.getuid(),
        )

    return server
