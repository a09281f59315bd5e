"""What makes a plan invalid, found without regard to how plans are repaired: the oracle of its tests."""

from __future__ import annotations

from graphlib import CycleError

from atos_orchestrator.plan import MAX_TASKS, Plan, order
from atos_orchestrator.task import KINDS, owned_files


def problems(plan: Plan) -> list[str]:
    """Return everything that makes a plan invalid, one sentence each; a repaired plan has none."""
    ids = [task.id for task in plan.tasks]
    found: list[str] = []
    if not ids:
        found.append("the plan has no task")
    if len(ids) > MAX_TASKS:
        found.append(f"the plan has {len(ids)} tasks, at most {MAX_TASKS} fit")
    if ids != [f"T{number}" for number in range(1, len(ids) + 1)]:
        found.append(f"task ids must run from T1 to T{len(ids)}")
    for task in plan.tasks:
        found += [
            f"{task.id} depends on {d}, which is unknown" for d in task.depends_on if d not in ids
        ]
        if task.kind not in KINDS:
            found.append(f"{task.id} is of unknown kind {task.kind!r}")
    try:
        order(plan)
    except CycleError as error:
        found.append(f"the dependencies form a cycle: {' -> '.join(error.args[1])}")
        return found
    return found + _unordered_writers(plan)


def _unordered_writers(plan: Plan) -> list[str]:
    before: dict[str, set[str]] = {}
    known = {task.id: task for task in plan.tasks}
    for task_id in order(plan):
        if task_id in known:
            parents = known[task_id].depends_on
            before[task_id] = set(parents).union(*(before.get(p, set[str]()) for p in parents))
    found: list[str] = []
    for at, late in enumerate(plan.tasks):
        for early in plan.tasks[:at]:
            shared = set(owned_files(early)) & set(owned_files(late))
            apart = early.id not in before[late.id] and late.id not in before[early.id]
            if shared and apart:
                found.append(f"{early.id} and {late.id} both write {min(shared)} at the same time")
    return found
