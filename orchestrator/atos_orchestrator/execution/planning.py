"""Planning within a run: the planning graph with the goal's scope, limits and steps."""

from __future__ import annotations

from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.limits import LimitedChat
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Chat, Emit, Steps
from atos_orchestrator.strategies.mini import scope as mini_scope


def limited_chat(deps: WorkflowDeps, order: GoalInput, task: str = "") -> Chat:
    """Return the model seam of a goal, or of one of its tasks, within the goal's limits."""
    return LimitedChat(
        deps.chat(order.goal, task),
        order.limits,
        order.submitted_at,
        lambda: deps.events.count(order.goal, "model_call"),
    )


async def planned(deps: WorkflowDeps, order: GoalInput, steps: Steps, emit: Emit) -> Plan:
    """Return the repaired plan of a goal.

    Raises:
        AtosError: there is none to be had.
    """
    found = mini_scope.check(order.text) if order.profile == "mini" else None
    scope = found if isinstance(found, mini_scope.Scope) else None
    return await deps.plan(
        order.text, scope, steps, limited_chat(deps, order), emit, given=order.plan
    )
