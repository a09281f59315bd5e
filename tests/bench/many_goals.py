"""`make bench NAME=many-goals`: many goals at once, with a simulated model that answers at once.

`GOALS="100 500"` goals of one task are queued before a worker begins, which may have at most `DESCRIPTORS` (256) open files.
All must succeed with the tree of a goal that is alone. The rows say how many end a minute over all and in the best
tenth, the same for a minute of a core (which a machine that does other things too blurs less), how far from the order of
their acceptance they end, and what the process holds in the first and in the last tenth.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.to_thread

from atos_orchestrator.durable_json import encode
from atos_orchestrator.events import fold
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.goal_input import GOAL, TASK, GoalInput
from atos_orchestrator.execution.goal_queue import goals_at_once
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.settings import load_settings
from bench.goal_overhead import processor_seconds
from bench.private_home import private_home
from bench.table import Row, report, row
from doubles.workflow_deps_doubles import TimedWork, deps_of

COUNTS = [int(count) for count in os.environ.get("GOALS", "100 500").split()]
DESCRIPTORS = int(os.environ.get("DESCRIPTORS", "256"))
SECONDS = 7200.0
MOMENT = 1_700_000_000.0
"""The goals' commits carry it, so that their trees can be compared."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What the process holds at one moment."""

    descriptors: int
    tasks: int
    memory: float
    """Resident, in MiB."""


@dataclass(slots=True)
class Course:
    """How the goals of one measurement ended."""

    ended: dict[str, None] = field(default_factory=dict[str, None])
    """Goals, in the order of their ends."""
    at: list[float] = field(default_factory=list[float])
    core: list[float] = field(default_factory=list[float])
    """Seconds of a core that were used until then, with those of git."""
    holds: list[Holds] = field(default_factory=list[Holds])

    def a_minute(self, first: int, last: int) -> float:
        """Return how many goals ended a minute, from the end of one to the end of another."""
        return 60 * (last - first) / (self.at[last] - self.at[first])

    def a_core_minute(self, first: int, last: int) -> float:
        """Return the same for a minute of one core."""
        return 60 * (last - first) / (self.core[last] - self.core[first])


def now_held() -> Holds:
    """Return what this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    tasks = len(anyio.get_running_tasks())
    return Holds(descriptors, tasks, pages * resource.getpagesize() / 2**20)


async def run_goals(count: int) -> tuple[Course, set[str]]:
    """Execute so many goals in this process; return how they ended, and their trees."""
    settings = load_settings()
    plan = Plan((Task("T1", "Part 1", files=("part1.py",)),))
    deps = deps_of(settings, plan, TimedWork(asks_model=True))
    runtime = DbosRuntime(deps.runtime.engine, goals_at_once=goals_at_once(settings))
    deps = replace(deps, runtime=runtime)
    bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
    names = [f"g{number:05}" for number in range(count)]
    course, all_ended = Course(), anyio.Event()

    def note(goal: str, _seq: int) -> None:
        if goal in course.ended or deps.events.count(goal, "goal_finished") == 0:
            return
        course.ended[goal] = None
        course.at.append(time.monotonic())
        course.core.append(processor_seconds())
        course.holds.append(now_held())
        if len(course.ended) == count:
            all_ended.set()

    await anyio.to_thread.run_sync(deps.runtime.prepare)
    for name in names:
        deps.events.append(name, "goal_submitted", {"goal": "Do it"}, key="submitted")
        goal_input = GoalInput(name, "Do it", "do-it", "general", MOMENT)
        await deps.runtime.submit(GOAL, name, encode(goal_input), queue=GOALS)
    deps.events.listen(note)
    async with deps.events.writing(), deps.runtime.worker(bodies):
        with anyio.fail_after(SECONDS):
            await all_ended.wait()
            for name in names:
                await deps.runtime.result(name)
    views = [fold(deps.events.read(name)) for name in names]
    if unsuccessful := [view for view in views if view.state != "success"]:
        message = f"{len(unsuccessful)} of {count} did not succeed, such as {unsuccessful[0]}"
        raise SystemExit(message)
    deps.runtime.engine.dispose()
    return course, {tree_of(view.repository) for view in views}


def tree_of(repository: str) -> str:
    """Return the id of a repository's tree."""
    command = ["git", "-C", repository, "rev-parse", "HEAD^{tree}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def rows_of(count: int, course: Course) -> list[Row]:
    """Return the rows of one measurement."""
    tenth = max(1, count // 10)
    starts = range(0, count - tenth, tenth)
    windows = [course.a_minute(at, at + tenth) for at in starts]
    cores = [course.a_core_minute(at, at + tenth) for at in starts]
    whole, by_core = course.a_minute(0, count - 1), course.a_core_minute(0, count - 1)
    late = max(abs(at - int(goal[1:])) for at, goal in enumerate(course.ended))
    first, last = course.holds[:tenth], course.holds[-tenth:]
    what = f"{count} goals"
    return [
        row(f"{what}: end a minute", [whole], ""),
        row(f"{what}: end a minute, best tenth", [max(windows)], ""),
        row(f"{what}: all of them, of the best tenth", [whole / max(windows)], ""),
        row(f"{what}: end a minute of a core", [by_core], ""),
        row(f"{what}: the same, of the best tenth", [by_core / max(cores)], ""),
        row(f"{what}: ends out of order by at most", [late], "goals"),
        row(f"{what}: descriptors, first tenth", [h.descriptors for h in first], ""),
        row(f"{what}: descriptors, last tenth", [h.descriptors for h in last], ""),
        row(f"{what}: tasks of the loop, first tenth", [h.tasks for h in first], ""),
        row(f"{what}: tasks of the loop, last tenth", [h.tasks for h in last], ""),
        row(f"{what}: memory, first tenth", [h.memory for h in first], "MiB"),
        row(f"{what}: memory, last tenth", [h.memory for h in last], "MiB"),
    ]


def main() -> None:
    """Measure, in homes of its own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    rows: list[Row] = []
    for count in COUNTS:
        with private_home():
            _, alone = anyio.run(run_goals, 1)
        with private_home():
            course, trees = anyio.run(run_goals, count)
        if trees != alone:
            message = f"trees differ from that of a goal alone: {trees - alone}"
            raise SystemExit(message)
        rows += rows_of(count, course)
    print(
        "with a simulated model that answers at once; every goal succeeded, with the tree of one alone"
    )
    report("many-goals", rows)


if __name__ == "__main__":
    main()
