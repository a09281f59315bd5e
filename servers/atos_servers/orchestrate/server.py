"""The orchestrate server: goals over MCP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from pydantic import Field, TypeAdapter

from atos_protocol.errors import BadRequestError
from atos_protocol.goals import FINAL_TASK_STATES, GoalNews, GoalView, TaskReport
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only
from atos_servers.orchestrate.lazy_goals import LazyGoals
from atos_servers.orchestrate.models import Aggregate, GoalList, PlanView, aggregate

INSTRUCTIONS = """\
Turns a goal such as "build a text toolkit: count words, reverse a string" into a tested git
repository, with small local models. Call `start_goal`, then `wait_goal` with the `seq` of its last
answer until the state is final (success, failed, cancelled, needs_help, limit_reached); it returns as
soon as something happens. A goal continues when the caller disconnects.
"""

MOST_GOALS = 100

GoalText = Annotated[str, Field(description="What to build, in one or a few sentences.")]
GoalId = Annotated[str, Field(description="Id of a goal, as start_goal or list_goals returns it.")]
Into = Annotated[
    str,
    Field(
        description="Absolute path of a new or empty folder, or of a git repository, in which the"
        " work is committed to a separate branch. Default: a new folder below ~/atos."
    ),
]
GivenPlan = Annotated[
    dict[str, Any],
    Field(
        default_factory=dict,
        description="A plan in the format that plan_goal returns: it is repaired, then executed"
        " instead of one made here.",
    ),
]
TaskPool = Literal["auto", "simple", "medium", "complex"]


class OrchestrateTools:
    """The tools, over the goals of this process."""

    def __init__(self, services: Services) -> None:
        self._lazy = LazyGoals(services)
        services.busy_checks.append(self._lazy.busy)

    async def start_goal(self, goal: GoalText, plan: GivenPlan, into: Into = "") -> GoalView:
        """Start building something: plan it, write it, test it, commit it to a git repository.

        Use first, whenever the user wants software built. Returns at once; follow it with `wait_goal`.
        Pass `plan` to have your own plan executed by the local models.
        """
        goals = await self._lazy.get()
        folder = Path(into) if into else None  # `~` would be the host's home, not the caller's
        return await goals.start(goal, into=folder, plan=plan or None)

    async def plan_goal(self, goal: GoalText) -> PlanView:
        """Make a plan for a goal without executing it.

        Use to review or change a plan before passing it to `start_goal`. May take up to 40 s;
        if it is not ready by then, call again with the same goal.
        """
        made = await (await self._lazy.get()).plan(goal)
        plan = dict(made["plan"])
        return PlanView(plan=plan, notes=list(plan.get("notes", [])), engine=made["engine"])

    async def run_task(
        self,
        task: Annotated[str, Field(description="One function or module to write and test.")],
        pool: Annotated[
            TaskPool, Field(description="Pool of models to start with; auto classifies the task.")
        ] = "auto",
        key: Annotated[
            str,
            Field(
                description="Idempotency key: a call with a known key returns its goal and starts nothing."
            ),
        ] = "",
    ) -> GoalView:
        """Run a single task as a separate goal.

        Use from workflow tools that route tasks themselves; for anything larger use `start_goal`.
        """
        goals = await self._lazy.get()
        return await goals.run_task(task, pool=pool, key=key)

    async def aggregate_results(
        self, ids: Annotated[list[str], Field(description="Ids of goals.", max_length=MOST_GOALS)]
    ) -> Aggregate:
        """Count the results of several goals together.

        Use after several `run_task` or `start_goal` calls, to see whether all of them are done.
        """
        goals = await self._lazy.get()
        return aggregate([await goals.get(goal) for goal in ids])

    async def get_goal(self, goal_id: GoalId) -> GoalView:
        """Show a goal as it stands now: state, tasks, tests, repository.

        Use for a single look; to follow a goal use `wait_goal`.
        """
        return await (await self._lazy.get()).get(goal_id)

    async def wait_goal(
        self,
        goal_id: GoalId,
        context: Context,
        after_seq: Annotated[
            int, Field(description="`seq` of the last answer; 0 at first.", ge=0)
        ] = 0,
        timeout_s: Annotated[
            float, Field(description="Longest wait in seconds, at most 25.", ge=0)
        ] = 20,
    ) -> GoalNews:
        """Wait until something happens to a goal, and return what happened.

        Use in a loop until the state is final and no events come. An empty list of events means that
        nothing happened in this time: call again.
        """

        async def progress(view: GoalView) -> None:
            settled = sum(task.state in FINAL_TASK_STATES for task in view.tasks)
            await context.report_progress(settled, len(view.tasks) or None, view.state)

        goals = await self._lazy.get()
        return await goals.wait(goal_id, after=after_seq, seconds=timeout_s, progress=progress)

    async def list_goals(
        self,
        limit: Annotated[int, Field(description="How many.", ge=1, le=MOST_GOALS)] = 20,
        cursor: Annotated[str, Field(description="`cursor` of the previous page.")] = "",
    ) -> GoalList:
        """List goals, newest first.

        Use to find the id of a goal that was started earlier or elsewhere.
        """
        if cursor and not (cursor.isascii() and cursor.isdecimal()):
            message = f"{cursor[:40]!r} is not a cursor"
            raise BadRequestError(
                message, next_step="Pass the cursor of the previous page, or none."
            )
        goals = await self._lazy.get()
        views, after = await goals.list(limit, int(cursor or 0))
        return GoalList(goals=views, cursor=str(after or ""))

    async def cancel_goal(self, goal_id: GoalId) -> GoalView:
        """Cancel a goal and all work on it, at once.

        What is already committed stays in its repository. A goal that has ended does not change.
        """
        return await (await self._lazy.get()).cancel(goal_id)

    async def get_task(
        self, goal_id: GoalId, task_id: Annotated[str, Field(description="T1, T2, ...")]
    ) -> TaskReport:
        """Show everything about one task: its rounds, verdicts, and last failure.

        Use when a goal ended in needs_help or failed.
        """
        return await (await self._lazy.get()).task(goal_id, task_id)

    async def goal_resource(self, goal_id: str) -> str:
        """Show a goal with all its events, as JSON."""
        news = await (await self._lazy.get()).wait(goal_id, seconds=0)
        return TypeAdapter(GoalNews).dump_json(news).decode()


def build(services: Services) -> FastMCP:
    """Build the server."""
    tools = OrchestrateTools(services)
    server = FastMCP("atos-orchestrate", instructions=INSTRUCTIONS)
    server.tool(tools.start_goal, annotations=changing("Start a goal", idempotent=False))
    server.tool(tools.wait_goal, annotations=read_only("Wait for events of a goal"))
    server.tool(tools.get_goal, annotations=read_only("Show a goal"))
    server.tool(tools.list_goals, annotations=read_only("List goals"))
    server.tool(tools.cancel_goal, annotations=changing("Cancel a goal"))
    server.tool(tools.get_task, annotations=read_only("Show a task"))
    server.tool(tools.plan_goal, annotations=read_only("Plan a goal"))
    server.tool(tools.run_task, annotations=changing("Run one task", idempotent=False))
    server.tool(tools.aggregate_results, annotations=read_only("Count results"))
    server.resource("goal://{goal_id}", name="goal", mime_type="application/json")(
        tools.goal_resource
    )
    return server
