"""Goals from input to outcome, on the real runtime, database and git; models and sandbox are doubles."""

import errno
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from inline_snapshot import snapshot

from atos_orchestrator.durable_json import encode
from atos_orchestrator.events import fold
from atos_orchestrator.execution import goal_effects
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.goal_input import GOAL, TASK, GoalInput, Limits
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.reconciler import Reconciler
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.goals import GoalView
from atos_protocol.settings import load_settings
from doubles.workflow_deps_doubles import TimedWork, deps_of

pytestmark = pytest.mark.timeout(60)


def task(number: int, *depends_on: str) -> Task:
    return Task(f"T{number}", f"Part {number}", files=(f"part{number}.py",), depends_on=depends_on)


@asynccontextmanager
async def working(deps: WorkflowDeps) -> AsyncGenerator[None]:
    bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
    async with deps.events.writing(), deps.runtime.worker(bodies):
        yield


async def submit(deps: WorkflowDeps, goal: str = "g1", limits: Limits | None = None) -> None:
    deps.events.append(goal, "goal_submitted", {"goal": "Do it"}, key="submitted")
    goal_input = GoalInput(
        goal=goal,
        text="Do it",
        slug="do-it",
        strategy="general",
        submitted_at=time.time(),
        limits=limits or Limits(),
    )
    await deps.runtime.submit(GOAL, goal, encode(goal_input), queue=GOALS)


async def view_of(deps: WorkflowDeps, goal: str = "g1") -> GoalView:
    return fold(deps.events.read(goal))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await anyio.sleep(0.01)
    raise AssertionError


def log_of(repository: str) -> list[str]:
    command = ["git", "-C", repository, "log", "--format=%s", "main"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


async def test_a_goal_becomes_a_repository_with_one_commit_per_task(atos_home: Path) -> None:
    deps = deps_of(load_settings(), Plan((task(1), task(2), task(3, "T1"))), TimedWork())
    async with working(deps):
        await submit(deps)
        result = await deps.runtime.result("g1")

    view = await view_of(deps)
    place = Path(view.repository)
    assert result["state"] == "success"
    assert (view.state, view.tests.passed, {t.state for t in view.tasks}) == (
        "success",
        3,
        {"done"},
    )
    assert sorted(log_of(view.repository)) == snapshot(
        ["Add the execution log", "Part 1", "Part 2", "Part 3", "Set up the repository"]
    )
    assert (place / "part3.py").read_text() == "T3 = 'Part 3'\n"
    assert (place / "docs" / "execution" / "do-it.md").read_text() == snapshot("""\
# Execution log

Goal:

> Do it

Engine: . Models: double.

| task | what | files | complexity | result | rounds | tests |
|---|---|---|---|---|---|---|
| T1 | Part 1 | part1.py | simple | done | 0 | 2 passed |
| T2 | Part 2 | part2.py | simple | done | 0 | 2 passed |
| T3 | Part 3 | part3.py | simple | done | 0 | 2 passed |

What the code rests on:

* T1: passes the tests that were handed in
* T2: passes the tests that were handed in
* T3: passes the tests that were handed in

All together: 3 passed, 0 failed.
""")
    assert not (load_settings().home / "worktrees" / "g1").exists()


async def test_a_task_starts_when_its_own_dependencies_are_done_without_waves(
    atos_home: Path,
) -> None:
    work = TimedWork(held_until={"T2": "T4"})
    plan = Plan((task(1), task(2), task(3, "T1"), task(4, "T3")))
    deps = deps_of(load_settings(), plan, work)
    async with working(deps):
        await submit(deps)
        with anyio.fail_after(30):
            result = await deps.runtime.result("g1")

    assert result["state"] == "success", "T3 and T4 did not wait for T2, which waited for T4"


async def test_a_failed_task_skips_its_dependants_and_harms_nobody_else(atos_home: Path) -> None:
    work = TimedWork(needs_help=frozenset({"T1"}))
    plan = Plan((task(1), task(2), task(3, "T1"), task(4, "T3"), task(5, "T2")))
    deps = deps_of(load_settings(), plan, work)
    async with working(deps):
        await submit(deps)
        await deps.runtime.result("g1")

    view = await view_of(deps)
    assert {t.id: t.state for t in view.tasks} == {
        "T1": "failed",
        "T2": "done",
        "T3": "skipped",
        "T4": "skipped",
        "T5": "done",
    }
    assert view.state == "needs_help"
    assert view.error == snapshot(
        {
            "code": "needs_help",
            "message": "task T1 did not pass its tests in 3 attempts: assert 1 == 2",
            "next": "Look at it: atos-client debug g1/T1. Then give an example: atos-client answer g1/T1 'f(1) == 2', or code: atos-client fix g1/T1 FILE",
        }
    )


async def test_a_goal_stops_at_its_limit_of_model_calls(atos_home: Path) -> None:
    plan = Plan((task(1), task(2, "T1")))
    deps = deps_of(load_settings(), plan, TimedWork(asks_model=True))
    async with working(deps):
        await submit(deps, limits=Limits(model_calls=1))
        await deps.runtime.result("g1")

    view = await view_of(deps)
    assert view.state == "limit_reached"
    assert {t.id: t.state for t in view.tasks} == {"T1": "done", "T2": "failed"}


async def test_the_events_of_a_goal_record_its_whole_course(atos_home: Path) -> None:
    deps = deps_of(load_settings(), Plan((task(1),)), TimedWork())
    async with working(deps):
        await submit(deps)
        await deps.runtime.result("g1")

    assert [f"{e.kind} {e.task or ''}".strip() for e in deps.events.read("g1")] == snapshot(
        [
            "goal_submitted",
            "goal_started",
            "plan_ready",
            "task_queued T1",
            "task_started T1",
            "task_committed T1",
            "task_done T1",
            "tests_run",
            "goal_verified",
            "goal_finished",
        ]
    )


async def test_a_goal_that_is_cancelled_closes_the_connections_that_it_has_opened_itself(
    atos_home: Path,
) -> None:
    testing, released = anyio.Event(), list[str]()

    async def hang(
        server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        testing.set()
        await anyio.sleep_forever()
        return {}

    async def release(roots: Sequence[Path]) -> None:
        released.extend(root.name for root in roots)

    deps = deps_of(load_settings(), Plan((task(1),)), TimedWork())
    deps = replace(deps, tools=hang, release=release)
    async with working(deps):
        await submit(deps)
        await testing.wait()
        released.clear()
        await deps.runtime.cancel("g1")
        deps.runtime.scopes.cancel("g1")
        await until(lambda: len(released) == 2)

    assert set(released) == {"g1", "do-it"}  # a deployment is asked for on behalf of the repository


async def test_what_can_not_be_cleaned_up_does_not_cost_a_goal_its_record(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def denied(_repository: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(goal_effects, "close_repository", denied)
    deps = deps_of(load_settings(), Plan((task(1),)), TimedWork())
    async with working(deps):
        await submit(deps)
        record = await deps.runtime.result("g1")

    assert record["state"] == "success"


async def test_a_goal_that_was_interrupted_ends_like_one_that_was_not(atos_home: Path) -> None:
    work = TimedWork(held_until={"T2": "the second worker"})
    deps = deps_of(load_settings(), Plan((task(1), task(2))), work)
    async with working(deps):
        await submit(deps)
        await until(lambda: "T2" in work.alive and deps.events.count("g1", "task_done") == 1)
    interrupted = [e.kind for e in deps.events.read("g1")]
    work.end_of("the second worker").set()
    async with working(deps):
        await deps.runtime.result("g1")

    kinds = [e.kind for e in deps.events.read("g1")]
    assert "goal_finished" not in interrupted
    assert (await view_of(deps)).state == "success"
    assert {kind: kinds.count(kind) for kind in ("goal_started", "task_started", "task_done")} == {
        "goal_started": 1,
        "task_started": 2,
        "task_done": 2,
    }


def failing_at_first(work: Callable[..., Any], times: int) -> Callable[..., Any]:
    """Have some work fail between two steps, for want of descriptors, so many times."""
    left = [times]

    async def call(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.EMFILE, "Too many open files", "some/module.py")
        return await work(*arguments)

    return call


async def test_what_the_machine_lacks_between_two_steps_has_a_run_begun_again_and_fails_nothing(
    atos_home: Path,
) -> None:
    deps = deps_of(load_settings(), Plan((task(1), task(2))), TimedWork())
    struck = replace(
        deps, plan=failing_at_first(deps.plan, 2), debug=failing_at_first(deps.debug, 1)
    )
    runtime = deps.runtime
    reconciler = Reconciler(runtime, deps.events, lambda: runtime.executor, runtime.wake)
    async with working(struck):
        await submit(deps)
        with anyio.fail_after(40):
            while (await view_of(deps)).state != "success":
                await reconciler.look()
                await anyio.sleep(0.05)
        runs = {run.id: (run.state, run.starts) for run in await runtime.list()}

    assert runs.keys() == {"g1", "g1:T1", "g1:T2"}
    assert max(starts for _, starts in runs.values()) <= 2
    assert sorted(log_of((await view_of(deps)).repository)) == [
        "Add the execution log", "Part 1", "Part 2", "Set up the repository",
    ]  # fmt: skip
