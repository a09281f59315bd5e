"""The plan workflow: what `plan_goal` runs. It makes a plan and nothing else: no goal, no repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atos_orchestrator.execution.goal_input import goal_input_from_json
from atos_orchestrator.execution.planning import planned
from atos_orchestrator.execution.steps import DurableSteps
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import plan_to_json
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError


class PlanWorkflow:
    """The body of a plan's run. Its result is `{"plan", "engine"}` or `{"error": wire}`."""

    def __init__(self, deps: WorkflowDeps) -> None:
        self._deps = deps

    async def __call__(self, argument: Json) -> Json:
        """Plan what a `GoalInput` says."""
        order = goal_input_from_json(argument)
        steps = DurableSteps(self._deps.runtime, "plan")
        try:
            plan = await planned(self._deps, order, steps, _tell_nobody)
        except AtosError as error:
            return {"error": error.to_wire()}
        return {"plan": plan_to_json(plan), "engine": order.engine or order.profile}


def _tell_nobody(kind: str, data: Mapping[str, Any], *, key: str) -> None:
    """Emit nothing: there is no goal whose events these could be."""
