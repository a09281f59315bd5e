"""`make bench NAME=goal-overhead`: what ATOS adds to its models, with a simulated model that answers at once.

A goal of 20 and one of 300 tasks (`TASKS="20 300"`), each task one model call, one step of its own and one
commit; on SQLite, and on Postgres where that is installed (`SQLITE=1`: not there). The rows per third show whether a task costs more the more
tasks are done; the last rows, whether a goal costs more the more goals are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import anyio
import anyio.to_thread
import sqlalchemy as sa

from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.event_table import insert, new_event
from atos_orchestrator.execution.goal_input import GOAL, TASK, GoalInput, Limits
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.goals import Event
from atos_protocol.settings import load_settings
from bench.private_home import private_home
from bench.table import Row, report, row
from doubles.temporary_postgres import programs, temporary_postgres
from doubles.workflow_deps_doubles import TimedWork, deps_of

TASKS = [int(count) for count in os.environ.get("TASKS", "20 300").split()]
FINISHED = int(os.environ.get("FINISHED", "10000"))
SECONDS = 3600.0
FILES = 10
"""What all tasks of a goal write together: git takes some 0.2 ms to check out a file, once for each task."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One goal."""

    seconds: float
    steps: int
    processor: float
    """Seconds of a core, with those of git."""
    ends: tuple[float, ...]
    """The same when each task ended, in order: on a machine that does other things too, the clock says little."""


def plan_of(count: int) -> Plan:
    """Return a plan whose tasks follow each other: what one costs is not hidden behind another.

    They write so few files that the last task's checkout is as large as the first one's.
    """
    names = [f"T{n}" for n in range(count)]
    before = [(), *((name,) for name in names)]
    return Plan(
        tuple(
            Task(name, f"Part {n}", files=(f"part{n % FILES}.py",), depends_on=before[n])
            for n, name in enumerate(names)
        )
    )


async def run_goal(goal: str, count: int) -> Figures:
    """Execute a goal of so many tasks in this process."""
    deps = deps_of(load_settings(), plan_of(count), TimedWork(asks_model=True))
    bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
    limits = Limits(seconds=1e9, model_calls=10**9)
    goal_input = GoalInput(goal, "Do it", goal, "general", time.time(), limits=limits)
    spent: dict[int, float] = {}
    deps.events.listen(lambda _goal, number: spent.update({number: processor_seconds()}))
    async with deps.events.writing(), deps.runtime.worker(bodies):
        start, before = time.perf_counter(), processor_seconds()
        deps.events.append(goal, "goal_submitted", {"goal": "Do it"}, key="submitted")
        await deps.runtime.submit(GOAL, goal, encode(goal_input), queue=GOALS)
        with anyio.fail_after(SECONDS):
            await deps.runtime.result(goal)
        seconds, after = time.perf_counter() - start, processor_seconds()
        events = deps.events.read(goal)
        steps = await anyio.to_thread.run_sync(steps_of, deps, goal)
    deps.runtime.engine.dispose()
    ends = [spent[event.seq] for event in succeeded(events) if event.kind == "task_done"]
    assert len(ends) == count
    return Figures(seconds, steps, after - before, tuple(ends))


def processor_seconds() -> float:
    """Return what this process and its children that have ended used so far."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def succeeded(events: Sequence[Event]) -> Sequence[Event]:
    """Return the events of a goal that succeeded.

    Raises:
        SystemExit: the goal did not succeed, so its times mean nothing.
    """
    if events[-1].data.get("state") != "success":
        message = f"the goal ended so: {events[-1].data}"
        raise SystemExit(message)
    return events


def steps_of(deps: WorkflowDeps, goal: str) -> int:
    """Count what the runtime recorded for a goal and its tasks."""
    engine = deps.runtime.engine
    table = "dbos.operation_outputs" if engine.dialect.name == "postgresql" else "operation_outputs"
    query = f"SELECT count(*) FROM {table} WHERE workflow_uuid = :goal OR workflow_uuid LIKE :its"
    with engine.connect() as connection:
        found = connection.execute(sa.text(query), {"goal": goal, "its": f"{goal}:%"})
        return int(found.scalar_one())


def finish_goals(count: int) -> None:
    """Fill the events table with goals that have ended."""
    deps = deps_of(load_settings(), Plan(()), TimedWork())
    calls = [("model_call", f"call{n}") for n in range(8)]
    kinds = [("goal_submitted", "s"), ("goal_started", "b"), *calls, ("goal_finished", "f")]
    for first in range(0, count, 100):
        with deps.runtime.engine.begin() as connection:
            goals = [f"old{n:07}" for n in range(first, min(first + 100, count))]
            insert(connection, [new_event(g, k, {"goal": g}, key=key) for g in goals for k, key in kinds])  # fmt: skip
    deps.runtime.engine.dispose()


def rows_of(name: str, count: int, found: Figures) -> list[Row]:
    """Return the rows of one goal."""
    what = f"{name}, {count} tasks"
    gaps = [1000 * (b - a) for a, b in zip(found.ends, found.ends[1:], strict=False)]
    third = max(1, len(gaps) // 3)
    return [
        row(f"{what}: a step", [1000 * found.seconds / found.steps], "ms"),
        row(f"{what}: a task", [1000 * found.seconds / count], "ms"),
        row(f"{what}: a step, core", [1000 * found.processor / found.steps], "ms"),
        row(f"{what}: a task of the first third, core", gaps[:third], "ms"),
        row(f"{what}: a task of the last third, core", gaps[-third:], "ms"),
    ]


def measure(name: str, **environment: str) -> list[Row]:
    """Measure on one kind of database."""
    rows: list[Row] = []
    with private_home(**environment):
        for count in TASKS:
            rows += rows_of(name, count, anyio.run(run_goal, f"goal{count}", count))
        finish_goals(FINISHED)
        behind = anyio.run(run_goal, "behind", TASKS[0])
        rows += rows_of(f"{name}, {FINISHED} finished goals", TASKS[0], behind)
    return rows


def main() -> None:
    """Measure, in homes of its own."""
    rows = measure("SQLite")
    with ExitStack() as stack:
        if programs() is not None and not os.environ.get("SQLITE"):
            server = stack.enter_context(temporary_postgres())
            rows += measure("Postgres", ATOS_DATABASE_URL=server.new_database())
    print("with a simulated model that answers at once")
    report("goal-overhead", rows)


if __name__ == "__main__":
    main()
