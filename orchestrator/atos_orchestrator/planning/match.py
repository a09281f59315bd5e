"""Holds a plan of atos-mini against what the scope check understood.

The scope check knows what is wanted; the model has to have planned just that, task for task. A plan of a
model that understood nothing (random weights, say) fails here and the goal with it: nothing is
filled in on its behalf.
"""

from __future__ import annotations

from dataclasses import replace

from atos_orchestrator.agents.catalogue import wanted_to_json
from atos_orchestrator.plan import Plan
from atos_orchestrator.strategies.mini.catalogue import module_name, signature
from atos_orchestrator.strategies.mini.scope import Scope
from atos_orchestrator.task import Task


def match_scope(plan: Plan, scope: Scope) -> tuple[Plan, list[str]]:
    """Return the plan with what each task wants of the catalogue, and every misfit."""
    open_ones = {wanted.wording: wanted for wanted in scope.wanted}
    tasks: list[Task] = []
    faults: list[str] = []
    for task in plan.tasks:
        wanted = open_ones.pop(task.title, None)
        if wanted is None:
            faults.append(f"the task {task.title!r} was not asked for")
            continue
        file = f"{module_name(wanted)}.py"
        if task.files != (file,):
            faults.append(f"the task {task.title!r} must write {file}, not {', '.join(task.files)}")
        want = wanted_to_json(wanted)
        tasks.append(replace(task, contract=f"def {signature(wanted)}", wanted=want))
    faults += [f"no task for {wording!r}" for wording in open_ones]
    return replace(plan, tasks=tuple(tasks)), faults
