"""The tools by which a person steers a goal: a plan reviewed before work, notes, limits.

An approval is a person's. A program that the person runs gives it at once; where a model may be calling, the host asks
the person, or the call is refused (`host/asking.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult
from pydantic import BaseModel, Field

from atos_servers.host.asking import Inquiry, ask_person, asks_person
from atos_servers.host.tool_definition import changing, read_only
from atos_servers.orchestrate.arguments import GoalId, PlanToRun
from atos_servers.orchestrate.following import whole_goal
from atos_servers.orchestrate.own_goals import OwnGoals
from atos_servers.orchestrate.plan_text import plan_lines

Digest = Annotated[
    str, Field(description="`digest` of get_plan: an approval is of that very plan.")
]


class ReviewedPlan(BaseModel):
    """A plan that waits for approval, or waited."""

    goal_id: str
    digest: Annotated[str, Field(description="Pass it to approve_plan.")]
    plan: Annotated[dict[str, Any], Field(description="Pass it to edit_plan, changed.")]


class SteeringTools:
    """The tools, over the goals of whoever calls."""

    def __init__(self, goals: Callable[[], Awaitable[OwnGoals]]) -> None:
        self._goals = goals

    async def get_plan(self, goal_id: GoalId) -> ReviewedPlan:
        """Show the plan of a goal that was started with `review`, and the digest by which it is approved.

        Use before `approve_plan` or `edit_plan`.
        """
        found = await (await self._goals()).plan_under_review(goal_id)
        return ReviewedPlan(goal_id=goal_id, digest=found["digest"], plan=found["plan"])

    async def approve_plan(
        self, goal_id: GoalId, digest: Digest, context: Context
    ) -> ToolResult | InputRequiredResult:
        """Approve the plan that a goal waits with, and have the work begin; the user is asked.

        Use when a goal that was started with `review` stopped with approval_needed. Other goals go on meanwhile.
        """
        goals = await self._goals()
        if asks_person():
            shown = await goals.plan_under_review(goal_id)
            text = f"Begin to work on goal {goal_id} by plan {digest}?\n{plan_lines(shown['plan'])}"
            command = f"atos-client approve {goal_id} {digest}"
            answer = await ask_person(context, Inquiry(text, bool, command))
            if isinstance(answer, InputRequiredResult):
                return answer
        return whole_goal(await goals.approve(goal_id, digest))

    async def edit_plan(self, goal_id: GoalId, plan: PlanToRun) -> ToolResult:
        """Replace the plan that a goal waits with; it is repaired, and waits for approval again.

        Use when the user wants another plan than `get_plan` shows; send it whole.
        """
        return whole_goal(await (await self._goals()).edit(goal_id, plan))

    async def note_goal(
        self,
        goal_id: GoalId,
        text: Annotated[str, Field(description="One sentence, at most 500 characters.")],
    ) -> ToolResult:
        """Tell a goal something that its tasks must heed; those that have begun go on without it.

        Use when the user adds a wish while a goal is at work.
        """
        return whole_goal(await (await self._goals()).note(goal_id, text))

    async def set_limits(
        self,
        goal_id: GoalId,
        seconds: Annotated[float, Field(description="Of work in all; 0: as it is.")] = 0.0,
        model_calls: Annotated[int, Field(description="In all; 0: as it is.")] = 0,
    ) -> ToolResult:
        """Set what a goal may use in all; one that stopped tries again within that.

        Use when a goal ended in limit_reached, or to bound one that is at work.
        """
        return whole_goal(await (await self._goals()).limits(goal_id, seconds, model_calls))


def add_steering(server: FastMCP, goals: Callable[[], Awaitable[OwnGoals]]) -> None:
    """Add the tools to the orchestrate server."""
    tools = SteeringTools(goals)
    server.tool(tools.get_plan, annotations=read_only("Show a plan"), output_schema=None)
    approves = changing("Approve a plan", idempotent=False)
    server.tool(tools.approve_plan, annotations=approves, output_schema=None)
    replaces = changing("Change a plan", destructive=True)
    server.tool(tools.edit_plan, annotations=replaces)
    server.tool(tools.note_goal, annotations=changing("Add a note"))
    server.tool(tools.set_limits, annotations=changing("Set limits"))
