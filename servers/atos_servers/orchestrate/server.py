"""The orchestrate server: goals over MCP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import anyio.to_thread
from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult
from pydantic import Field

from atos_protocol.errors import BadRequestError
from atos_protocol.goals import FINAL_TASK_STATES, GoalCheck, GoalView, TaskReport
from atos_servers.host.asking import ask_person
from atos_servers.host.connection import MODEL_CLIENTS, client, confinement, owner
from atos_servers.host.page_resource import SHOWN, EmbeddedPage
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only
from atos_servers.orchestrate.agent_server import NAME, AgentTools, build_agent_server
from atos_servers.orchestrate.arguments import (
    Answer,
    Deploy,
    Examples,
    Files,
    GivenPlan,
    GoalId,
    GoalText,
    Into,
    Key,
    Pool,
    Review,
    Router,
    RouteTicket,
    TaskId,
    Tests,
    Urgency,
)
from atos_servers.orchestrate.callbacks import Callbacks
from atos_servers.orchestrate.following import VIEW, Detail, every_event, follow, whole_goal
from atos_servers.orchestrate.goal_tasks import GoalTasks
from atos_servers.orchestrate.lazy_goals import LazyGoals
from atos_servers.orchestrate.models import Aggregate, GoalList, PlanView, aggregate
from atos_servers.orchestrate.own_goals import OwnGoals
from atos_servers.orchestrate.questions import question_to
from atos_servers.orchestrate.reading import add_reading
from atos_servers.orchestrate.result_route import PREFIX, ResultRoute
from atos_servers.orchestrate.steering_tools import add_steering
from atos_servers.orchestrate.story_pages import story_page

INSTRUCTIONS = """\
Turns a goal such as "build a text toolkit: count words, reverse a string" into a tested git
repository, with small local models. Call `start_goal`, then `wait_goal` with the `seq` of its last
answer until `final` is true (success, failed, cancelled, needs_help, limit_reached); it returns when a
task is done, asks something, or after 40 s. A goal continues when the caller disconnects. Give 3 to 5 examples with a
goal. From needs_help, failed and limit_reached it goes on with `answer_question`, `submit_fix` or
`retry_goal`.
"""

MOST_GOALS = 100
MOST_WAIT_SECONDS = 40.0
"""No call of a tool may last longer than 45 s."""


class OrchestrateTools:
    """The tools, over the goals of this process."""

    def __init__(self, services: Services) -> None:
        self._lazy = LazyGoals(services)
        services.busy_checks.append(self._lazy.busy)
        services.background.append(self._lazy.watch)
        services.reports["database"] = self._lazy.health
        services.routes[PREFIX] = ResultRoute(self.goals).app
        agent_tools = AgentTools(self.goals, owner, _reporting)
        home, hosts = services.settings.home, services.settings.callback_hosts
        callbacks = Callbacks(home / "callbacks", self._lazy.get, owner, hosts)
        services.routes["/callbacks"] = callbacks.app
        services.background.extend([callbacks.watch, callbacks.outbox.run])
        services.reports["callbacks"] = callbacks.outbox.report
        services.entries[NAME] = build_agent_server(agent_tools)

    async def goals(self) -> OwnGoals:
        """Return the goals of whoever calls."""
        return OwnGoals(await self._lazy.get(), owner())

    async def start_goal(
        self,
        goal: GoalText,
        plan: GivenPlan,
        examples: Examples,
        into: Into = "",
        tests: Tests = "",
        priority: Urgency = "normal",
        key: Key = "",
        deploy: Deploy = "",
        review: Review = False,
        router: Router = "builtin",
    ) -> ToolResult:
        """Start building something: plan it, write it, test it, commit it to a git repository.

        Use first, whenever the user wants software built. Write 3 to 5 `examples` yourself: they help a small
        model most (84 against 58 % right). Returns at once; follow it with
        `wait_goal`. Pass `plan` to have your own plan executed by the local models.
        """
        goals = await self.goals()
        folder = await anyio.to_thread.run_sync(confinement().place, into) if into else None
        started = await goals.start(
            goal,
            into=folder,
            plan=plan or None,
            examples=examples,
            tests=tests,
            priority=priority,
            key=key,
            deploy=deploy,
            review=review,
            router=router,
        )
        return whole_goal(started)

    async def check_goal(self, goal: GoalText, examples: Examples) -> GoalCheck:
        """Show what is found in a goal's text, who would work on it, and what can't be proven; start nothing.

        Use before `start_goal`, to see whether it has examples and whether any model here can do it. Examples
        that you pass are checked as well.
        """
        return await (await self.goals()).check(goal, examples)

    async def verified_code(
        self,
        spec: Annotated[str, Field(description="One function, class or module to write.")],
        examples: Examples,
        context: Context,
        tests: Tests = "",
        wait_s: Annotated[
            float, Field(description="Longest wait in seconds.", ge=0, le=MOST_WAIT_SECONDS)
        ] = MOST_WAIT_SECONDS,
    ) -> ToolResult:
        """Have local models write one piece of code that passes your examples or tests.

        Use for a single function, class or module. Returns when it has ended, or after `wait_s` with a state
        that is not final: then call `wait_goal`. The code is in `repository`.
        """
        goals = await self.goals()
        started = await goals.run_task(spec, examples=examples, tests=tests)
        return whole_goal(await goals.ended(started.id, wait_s, _reporting(context)))

    async def plan_goal(self, goal: GoalText) -> PlanView:
        """Make a plan for a goal without executing it.

        Use to review or change a plan before passing it to `start_goal`. May take up to 40 s;
        if it is not ready by then, call again with the same goal.
        """
        made = await (await self.goals()).plan(goal)
        plan = dict(made["plan"])
        return PlanView(plan=plan, notes=list(plan.get("notes", [])), engine=made["engine"])

    async def run_task(
        self,
        task: Annotated[str, Field(description="One function or module to write and test.")],
        examples: Examples,
        pool: Pool = "auto",
        key: Key = "",
        tests: Tests = "",
        ticket: RouteTicket = "",
    ) -> ToolResult:
        """Run a single task as a separate goal.

        Use from workflow tools that route tasks themselves; for anything larger use `start_goal`.
        """
        if ticket:
            return whole_goal(await (await self._lazy.get()).routes.take(ticket, pool))
        goals = await self.goals()
        return whole_goal(
            await goals.run_task(task, pool=pool, key=key, examples=examples, tests=tests)
        )

    async def aggregate_results(
        self, ids: Annotated[list[str], Field(description="Ids of goals.", max_length=MOST_GOALS)]
    ) -> Aggregate:
        """Count the results of several goals together, and say what was not proven.

        Use after several `run_task` or `start_goal` calls, to see whether all of them are done.
        """
        goals = await self.goals()
        return aggregate([await goals.get(goal) for goal in ids])

    async def get_goal(self, goal_id: GoalId) -> ToolResult:
        """Show a goal as it stands now: state, tasks, what their code rests on, tests, repository.

        Use for a single look; to follow a goal use `wait_goal`. A task with a `question` waits for
        `answer_question`.
        """
        return whole_goal(await (await self.goals()).get(goal_id))

    async def wait_goal(
        self,
        goal_id: GoalId,
        context: Context,
        after_seq: Annotated[
            int, Field(description="`seq` of the last answer; 0 at first.", ge=0)
        ] = 0,
        timeout_s: Annotated[
            float, Field(description="Longest wait in seconds, at most 40.", ge=0)
        ] = MOST_WAIT_SECONDS,
        detail: Annotated[
            Detail, Field(description="digest: what matters; events: all, paged; story: why.")
        ] = "digest",
    ) -> ToolResult:
        """Wait until a task of a goal is done, asks something, or the goal ends; say so briefly.

        Use after `start_goal`, in a loop with the `seq` of each answer, until `final` is true.
        """
        goals, progress = await self.goals(), _reporting(context)
        seconds = min(timeout_s, MOST_WAIT_SECONDS)
        if detail == "digest":
            return await follow(goals, goal_id, after_seq, seconds, progress)
        if detail == "story":
            return story_page(await goals.wait(goal_id, after=0, seconds=0), after_seq)
        whole = client() not in MODEL_CLIENTS
        return await every_event(goals, goal_id, after_seq, seconds, progress, whole=whole)

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
        goals = await self.goals()
        views, after = await goals.list(limit, int(cursor or 0))
        return GoalList(goals=views, cursor=str(after or ""))

    async def cancel_goal(self, goal_id: GoalId) -> ToolResult:
        """Cancel a goal and all work on it, at once.

        What is already committed stays in its repository. A goal that has ended does not change.
        """
        return whole_goal(await (await self.goals()).cancel(goal_id))

    async def pause_goal(self, goal_id: GoalId) -> ToolResult:
        """Have nothing work for a goal, no model and no sandbox, until `resume_goal`.

        Use when the user needs the machine for something else. It stays paused when ATOS or the machine is
        restarted. A goal that has ended is refused.
        """
        return whole_goal(await (await self.goals()).pause(goal_id))

    async def resume_goal(self, goal_id: GoalId) -> ToolResult:
        """Have a paused goal go on where it was. Use after `pause_goal`; from a final state use `retry_goal`."""
        return whole_goal(await (await self.goals()).resume(goal_id))

    async def answer_question(
        self, goal_id: GoalId, task_id: TaskId, context: Context, answer: Answer = ""
    ) -> ToolResult | InputRequiredResult:
        """Answer a task's question, or give it one more example, and have the goal go on.

        Use when a goal ended in needs_help; an empty answer asks the user. The answer is an example from then
        on. Done tasks stay as they are. Follow it with `wait_goal`.
        """
        goals = await self.goals()
        if not answer.strip():
            asked = await ask_person(context, question_to(await goals.get(goal_id), task_id))
            if isinstance(asked, InputRequiredResult):
                return asked
            answer = str(asked)
        return whole_goal(await goals.answer(goal_id, task_id, answer))

    async def submit_fix(self, goal_id: GoalId, task_id: TaskId, files: Files) -> ToolResult:
        """Hand in code for a task that did not succeed, and have the goal go on.

        Use when you can write what the local models could not. It is judged like any other candidate: by the
        task's examples and tests. Follow it with `wait_goal`.
        """
        return whole_goal(await (await self.goals()).fix(goal_id, task_id, files))

    async def retry_goal(self, goal_id: GoalId) -> ToolResult:
        """Try again what is not done of a goal that failed, needs help or reached a limit.

        Use when the cause is gone, such as a missing model; new evidence helps more: `answer_question`,
        `submit_fix`. Done tasks stay as they are.
        """
        return whole_goal(await (await self.goals()).retry(goal_id))

    async def get_task(self, goal_id: GoalId, task_id: TaskId) -> TaskReport:
        """Show everything about one task: its rounds, verdicts, and last failure.

        Use when a goal ended in needs_help or failed.
        """
        return await (await self.goals()).task(goal_id, task_id)


def _reporting(context: Context) -> Callable[[GoalView], Awaitable[None]]:
    """Return what reports a goal's progress to whoever called the tool."""

    async def report(view: GoalView) -> None:
        settled = sum(task.state in FINAL_TASK_STATES for task in view.tasks)
        await context.report_progress(settled, len(view.tasks) or None, view.state)

    return report


def build(services: Services) -> FastMCP:
    """Build the server."""
    tools = OrchestrateTools(services)
    server = FastMCP("atos-orchestrate", instructions=INSTRUCTIONS)
    starts = changing("Start a goal", idempotent=False)
    server.tool(tools.start_goal, annotations=starts, meta=SHOWN)
    server.tool(tools.wait_goal, annotations=read_only("Follow a goal"))
    goal_schema = VIEW.json_schema(mode="serialization")
    shows = read_only("Show a goal")
    server.tool(tools.get_goal, annotations=shows, output_schema=goal_schema, meta=SHOWN)
    server.tool(tools.list_goals, annotations=read_only("List goals"), output_schema=None)
    server.tool(tools.cancel_goal, annotations=changing("Cancel a goal", destructive=True))
    server.tool(tools.pause_goal, annotations=changing("Pause a goal"))
    server.tool(tools.resume_goal, annotations=changing("Have a goal go on"))
    server.tool(tools.verified_code, annotations=changing("Write verified code", idempotent=False))
    server.tool(tools.check_goal, annotations=read_only("Check a goal"))
    answers = changing("Answer a question", idempotent=False)
    server.tool(tools.answer_question, annotations=answers, output_schema=None)
    replaces = changing("Hand in code", destructive=True, idempotent=False)
    server.tool(tools.submit_fix, annotations=replaces)
    server.tool(tools.retry_goal, annotations=changing("Try again", idempotent=False))
    server.tool(tools.get_task, annotations=read_only("Show a task"))
    server.tool(tools.plan_goal, annotations=read_only("Plan a goal"))
    server.tool(tools.run_task, annotations=changing("Run one task", idempotent=False))
    server.tool(tools.aggregate_results, annotations=read_only("Count results"), output_schema=None)
    add_steering(server, tools.goals)
    add_reading(server, tools.goals)
    server.add_provider(EmbeddedPage())
    server.add_extension(GoalTasks(tools.goals))
    services.extensions.append(lambda: GoalTasks(tools.goals))
    return server
