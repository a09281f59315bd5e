"""The debug loop against the real filesystem and code_runner servers, sandbox and all."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP

from atos.tools import tool_error
from atos_orchestrator.debugging.graph import debug_task
from atos_orchestrator.debugging.state import DebugContext
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import encode
from atos_orchestrator.ports import Json, Tools
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.mini.catalogue import function
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import Task
from atos_protocol.settings import load_settings
from atos_servers.code_runner.server import build as build_code_runner
from atos_servers.filesystem.server import build as build_filesystem
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.tool_middleware import ToolMiddleware
from doubles.graph_ports import EventList, RecordedSteps
from doubles.scripted_model import ScriptedChat

pytestmark = pytest.mark.timeout(120)

ADD = Task(
    "T1",
    "Add two numbers",
    files=("pkg/add.py",),
    signatures=("add(a, b)",),
    examples=("assert add(2, 3) == 5", "assert raises(TypeError, lambda: add(1, '1'))"),
)


async def tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


def bounded(server: FastMCP) -> FastMCP:
    server.add_middleware(ToolMiddleware(server))
    return server


@pytest.fixture
async def tools(tmp_path: Path, atos_home: Path) -> AsyncIterator[Tools]:
    """The port over in-memory connections, as the worker has it over a socket."""
    del atos_home
    services = Services(load_settings(), tell_nobody)
    with connected(Connection(roots=(tmp_path,))):
        files = Client(bounded(build_filesystem(services)))
        runner = Client(bounded(build_code_runner(services)))
        async with files, runner:
            clients = {"filesystem": files, "code_runner": runner}

            async def call(
                server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
            ) -> Json:
                assert list(roots) == [tmp_path]
                result = await clients[server].call_tool(
                    tool, dict(arguments), raise_on_error=False
                )
                if result.is_error:
                    raise tool_error(result)
                return result.structured_content or {}

            yield call


@dataclass
class AtOnce:
    """Calls tools, and counts how many of them are under way."""

    tools: Tools
    now: dict[str, int] = field(default_factory=dict[str, int])
    most: dict[str, int] = field(default_factory=dict[str, int])

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        self.now[tool] = self.now.get(tool, 0) + 1
        self.most[tool] = max(self.most.get(tool, 0), self.now[tool])
        try:
            return await self.tools(server, tool, arguments, roots=roots)
        finally:
            self.now[tool] -= 1


async def test_a_candidate_that_meets_the_goals_examples_is_accepted(
    tmp_path: Path, tools: Tools
) -> None:
    begun = "```python\ndef add(a, b):\n    return a {} b\n"
    chat = ScriptedChat({"coder": [begun.format("-"), begun.format("+"), begun.format("+")]})
    emit = EventList(task="T1")
    workspace, strategy = TaskWorkspace(tmp_path, tools), strategy_named("general")
    context = DebugContext(ADD, workspace, strategy, RecordedSteps(), chat, emit)

    result = await debug_task(context)

    assert (result.outcome, result.rounds, result.passed) == ("done", 2, 2)
    assert result.files == ("pkg/add.py", "tests/test_pkg_add.py")
    assert result.proof == "examples"
    assert result.isolation in {"bwrap", "landlock"}
    assert [(run["which"], run["state"]) for run in emit.of("tests_run")] == [
        ("acceptance", "passed")
    ]


async def test_candidates_and_testers_agree_in_the_real_sandbox(
    tmp_path: Path, tools: Tools
) -> None:
    begun = "```python\ndef add(a, b):\n    return {}\n"
    rows = "```python\nassert add(1, 2) == 3\nassert add(5, 1) == 6\nassert add(0.1, 0.2) == 0.3\n"
    bodies = ["a + b", "sum((a, b))", "a - b", "exit()", "a + b"]
    chat = ScriptedChat({"coder": [begun.format(b) for b in bodies], "tester": [rows] * 3})
    emit = EventList(task="T1")
    workspace, strategy = TaskWorkspace(tmp_path, tools), strategy_named("general")
    task = replace(ADD, examples=())
    context = DebugContext(task, workspace, strategy, RecordedSteps(), chat, emit)

    result = await debug_task(context)

    assert (result.outcome, result.proof, result.rounds) == ("done", "agreed", 4)
    assert result.evidence.startswith("3 assertions that 3 of 5 candidates pass; fails on a stub")


async def test_the_catalogues_acceptance_test_decides_about_atos_mini_in_split_mode(
    tmp_path: Path, tools: Tools
) -> None:
    found = scope.check("Write a Python function to add two numbers")
    assert isinstance(found, scope.Scope)
    wanted = found.wanted[0]
    task = Task("T1", wanted.wording, files=("add.py",), scope=encode(wanted))
    chat = ScriptedChat({"coder": [dialect.code_reply(function(wanted))]})
    emit = EventList(task="T1")
    counted, strategy = AtOnce(tools), strategy_named("mini")
    workspace = TaskWorkspace(tmp_path, counted)
    context = DebugContext(task, workspace, strategy, RecordedSteps(), chat, emit)

    result = await debug_task(context)

    assert result.files == ("add.py", "tests/test_add.py", "tests/test_add_by_model.py")
    runs = {run["which"]: run for run in emit.of("tests_run")}
    assert [runs[which]["state"] for which in ("acceptance", "model", "stub")] == [
        "passed",
        "passed",
        "failed",
    ]
    assert counted.most["run_pytest"] == len(runs), "they are run side by side"
