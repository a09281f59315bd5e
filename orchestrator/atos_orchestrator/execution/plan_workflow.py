"""Planning within a run, and the plan workflow: a plan and nothing else, no goal, no repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.steps import DurableSteps
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.ports import Emit, Json, Steps
from atos_orchestrator.strategies.registry import strategy_named
from atos_protocol.errors import AtosError


async def plan_goal(deps: WorkflowDeps, goal_input: GoalInput, steps: Steps, emit: Emit) -> Plan:
    """Return the repaired plan of a goal; a resumed one goes on with the plan that it has.

    Raises:
        AtosError: there is no usable plan.
    """
    if goal_input.resumed is not None and goal_input.resumed.plan is not None:
        return goal_input.resumed.plan
    return await deps.plan(
        PlanContext(
            goal=goal_input.text,
            strategy=strategy_named(goal_input.strategy),
            scope=goal_input.scope,
            steps=steps,
            chat=deps.limited_chat(goal_input),
            emit=emit,
            given=goal_input.plan,
            examples=goal_input.examples,
            tests=goal_input.tests,
        )
    )


@dataclass(frozen=True, slots=True)
class PlanWorkflow:
    """What `plan_goal` of the orchestrate server runs: `{"plan", "engine"}` or `{"error": wire}`."""

    deps: WorkflowDeps

    async def __call__(self, argument: Json) -> Json:
        """Plan what a `GoalInput` asks for."""
        goal_input = decode(GoalInput, argument)
        steps = DurableSteps(self.deps.runtime, "plan", _emit_nothing)
        try:
            plan = await plan_goal(self.deps, goal_input, steps, _emit_nothing)
        except AtosError as error:
            return {"error": error.to_wire()}
        return {"plan": encode(plan), "engine": goal_input.engine or goal_input.strategy}


def _emit_nothing(kind: str, data: Mapping[str, Any], *, key: str) -> None:
    """Drop events: there is no goal that they could belong to."""
