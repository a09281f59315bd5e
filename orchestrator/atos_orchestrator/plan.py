"""A plan: a DAG of tasks, and the pure decision about what may run next.

There are no waves: a task may start as soon as *its own* dependencies are done, whatever the others
do. A task whose dependency failed is skipped; tasks that don't depend on it go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from atos_orchestrator.task import Task
from atos_protocol.goals import TaskState

MAX_TASKS = 10
MAX_FILES = 4
MAX_EXAMPLES = 3
MAX_TASK_EXAMPLES = 40
"""Per task."""
MAX_TITLE = 80
MAX_PATH = 80
MAX_CONTRACT = 1200
MAX_EXAMPLE = 160
"""Characters."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a goal, in the order in which a person reads them."""

    tasks: tuple[Task, ...]
    summary: str = ""
    notes: tuple[str, ...] = ()
    """What repair changed, one sentence each; shown to whoever approves the plan."""

    def task(self, task_id: str) -> Task:
        """Return the task of that id.

        Raises:
            KeyError: the plan has no such task.
        """
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)


@dataclass(frozen=True, slots=True)
class Next:
    """What to do next, given the states of a plan's tasks."""

    start: tuple[str, ...]
    """Pending tasks whose dependencies are all done."""
    skip: tuple[str, ...]
    """Pending tasks that can never start, because a dependency failed, was skipped or cancelled."""


def next_tasks(plan: Plan, states: Mapping[str, TaskState]) -> Next:
    """Return what to start and what to skip now; an unlisted task counts as pending."""
    now: dict[str, TaskState] = {task.id: states.get(task.id, "pending") for task in plan.tasks}
    lost = {"failed", "skipped", "cancelled"}
    skip: list[str] = []
    for task_id in order(plan):
        if now[task_id] == "pending" and any(now[d] in lost for d in plan.task(task_id).depends_on):
            now[task_id] = "skipped"
            skip.append(task_id)
    start = tuple(
        task.id
        for task in plan.tasks
        if now[task.id] == "pending" and all(now[d] == "done" for d in task.depends_on)
    )
    return Next(start=start, skip=tuple(skip))


def order(plan: Plan) -> tuple[str, ...]:
    """Return the ids with every task after its dependencies.

    Raises:
        graphlib.CycleError: the plan has a cycle; a repaired plan has none.
    """
    graph = {task.id: task.depends_on for task in plan.tasks}
    return tuple(TopologicalSorter(graph).static_order())


def files_of_dependencies(plan: Plan, task: Task) -> tuple[str, ...]:
    """Return the files of a task's direct dependencies, in the plan's order."""
    near = [other for other in plan.tasks if other.id in task.depends_on]
    return tuple(dict.fromkeys(file for other in near for file in other.files))
