"""A whole goal without daemons: plan, three tasks at once, commits, the view that people get."""

import sys
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.debugging.graph import debug_task
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import encode
from atos_orchestrator.events import fold
from atos_orchestrator.plan import next_tasks
from atos_orchestrator.planning.graph import make_plan
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.mini.catalogue import function
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import Task
from atos_orchestrator.workspace import (
    close_repository,
    commit_task,
    integrate,
    open_repository,
    open_worktree,
    publish,
)
from atos_protocol.goals import Event, TaskState
from doubles.graph_ports import EventList, RecordedSteps
from doubles.plain_tools import PlainTools
from doubles.scripted_model import ScriptedChat

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"


@pytest.mark.timeout(60)
async def test_a_toolkit_goal_becomes_a_repository_whose_tests_pass(tmp_path: Path) -> None:
    found = scope.check(GOAL)
    assert isinstance(found, scope.Scope)
    emit, tools = EventList(), PlainTools()
    emit("goal_submitted", {"goal": GOAL}, key="s")
    repository = await open_repository(
        None,
        "text-toolkit",
        goal="g",
        text=GOAL,
        home=tmp_path / "h",
        workspaces=tmp_path / "w",
        started_at=1_700_000_000.0,
    )
    planner = ScriptedChat({"planner": [dialect.plan_reply(found.wanted)]})
    mini = strategy_named("mini")
    made = await make_plan(PlanContext(GOAL, mini, encode(found), RecordedSteps(), planner, emit))
    emitted: dict[str, EventList] = {}
    results: dict[str, TaskResult] = {}

    async def work(task: Task) -> None:
        tree = await open_worktree(repository, task.id)
        wanted = next(each for each in found.wanted if each.wording == task.title)
        chat = ScriptedChat({"coder": [dialect.code_reply(function(wanted))]})
        own = emitted[task.id] = EventList(task=task.id)
        workspace = TaskWorkspace(tree, tools)
        context = DebugContext(task, workspace, mini, RecordedSteps(), chat, own)
        result = await debug_task(context)
        await commit_task(
            repository, task.id, files=result.files, message=task.title, key=f"g:{task.id}"
        )
        results[task.id] = result

    states: dict[str, TaskState] = {}
    assert next_tasks(made, states).start == ("T1", "T2", "T3")
    async with anyio.create_task_group() as group:
        for task in made.tasks:
            group.start_soon(work, task)
    for task in made.tasks:
        await integrate(repository, task.id, key=f"g:{task.id}")
        emit.events += [
            Event(len(emit.events) + at, "g", task.id, event.kind, event.at, event.data)
            for at, event in enumerate(emitted[task.id].events, start=1)
        ]
    await publish(repository)
    await close_repository(repository)

    assert tools.most_at_work > 1
    assert {result.outcome for result in results.values()} == {"done"}
    passed = sum(result.passed for result in results.values())
    view = fold(emit.events)
    assert (view.tests.passed, view.tests.failed, view.models) == (passed, 0, ("scripted",))
    assert sorted(each.name for each in repository.path.glob("*.py")) == [
        "count_words.py",
        "is_palindrome.py",
        "reverse_string.py",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    by_hand = await anyio.run_process(command, cwd=repository.path, env={"PATH": ""}, check=False)
    assert by_hand.returncode == 0, by_hand.stdout.decode()
