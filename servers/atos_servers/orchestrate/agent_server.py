"""The server `n8n`: four tools for an agent with few iterations, such as n8n's AI Agent over its MCP Client Tool.

An agent there has ten iterations, pays for every word, and calls again whatever it does not understand. So every
tool waits, for as long as a call may last, until the goal has ended or asks something; where to go on is kept here
and not by the model; and a goal that is already being built is joined, not started again.

    start_goal, run_task -- ended or asks --> the result, or the question --answer--> ...
                         -- still at work --> get_result
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from fastmcp import Context, FastMCP

from atos_orchestrator.workspace.delivered_files import Delivered
from atos_protocol.errors import ConflictError, NotFoundError
from atos_protocol.goals import FINAL_GOAL_STATES, GoalView
from atos_protocol.host_protocol import N8N
from atos_servers.host.tool_definition import changing, read_only
from atos_servers.orchestrate.agent_arguments import (
    Answer,
    Examples,
    File,
    Goal,
    GoalId,
    Key,
    Pool,
    Task,
    TaskId,
)
from atos_servers.orchestrate.agent_replies import one_file, reply
from atos_servers.orchestrate.own_goals import OwnGoals

NAME = N8N
INSTRUCTIONS = """\
ATOS has local models on this machine write tested Python. Call `start_goal` once, with 3 to 5 examples; it
waits and returns the code. If it is still at work, call `get_result`; if it asks, call `answer`.
"""
CALL_SECONDS = 40.0
"""How long a tool waits, starting the goal included: n8n gives a call up after 60 s, ATOS after 45."""
FILES_SECONDS = 3.0
"""Least time for reading the files of a goal that has just ended."""
REMEMBERED = 256
"""Goals that an identical call joins while they are at work."""

NOTHING = Delivered("", ())

Asked = tuple[str, str, str, tuple[str, ...]]
"""Owner, tool, text and examples: what makes two calls without a key the same."""


@dataclass(slots=True)
class AgentTools:
    """The tools, over the goals of whoever calls."""

    goals: Callable[[], Awaitable[OwnGoals]]
    owner: Callable[[], str]
    progress: Callable[[Context], Callable[[GoalView], Awaitable[None]]]
    _started: OrderedDict[Asked, str] = field(default_factory=OrderedDict[Asked, str])

    async def start_goal(
        self, goal: Goal, examples: Examples, context: Context, key: Key = ""
    ) -> str:
        """Build something in Python and wait for it. Use first."""
        until = anyio.current_time() + CALL_SECONDS
        goals = await self.goals()
        asked = (self.owner(), "start_goal", goal, tuple(examples))

        async def start() -> GoalView:
            return await goals.start(
                goal, into=None, plan=None, examples=examples, tests="", key=key
            )

        view = await self._begun(goals, asked, start)
        return await self._look(goals, view.id, until, context)

    async def run_task(
        self, task: Task, examples: Examples, context: Context, pool: Pool = "auto", key: Key = ""
    ) -> str:
        """Write one function or module on a chosen pool of models and wait for it. Use to route tasks yourself."""
        until = anyio.current_time() + CALL_SECONDS
        goals = await self.goals()
        asked = (self.owner(), f"run_task {pool}", task, tuple(examples))

        async def start() -> GoalView:
            return await goals.run_task(task, pool=pool, key=key, examples=examples)

        view = await self._begun(goals, asked, start)
        return await self._look(goals, view.id, until, context)

    async def get_result(self, context: Context, goal_id: GoalId = "", file: File = "") -> str:
        """Wait for a goal's end or question, and return its code. Use when a goal is still at work."""
        until = anyio.current_time() + CALL_SECONDS
        goals = await self.goals()
        goal = goal_id.strip() or await _newest(goals)
        if file:
            return one_file(await goals.delivered(goal), file)
        return await self._look(goals, goal, until, context)

    async def answer(
        self, answer: Answer, context: Context, goal_id: GoalId = "", task_id: TaskId = ""
    ) -> str:
        """Answer a goal's question, or give it one more example, and wait for it. Use when it asks."""
        until = anyio.current_time() + CALL_SECONDS
        goals = await self.goals()
        goal = goal_id.strip() or await _newest(goals)
        task = task_id.strip() or _asking(await goals.get(goal))
        await goals.answer(goal, task, answer)
        return await self._look(goals, goal, until, context)

    async def _begun(
        self, goals: OwnGoals, asked: Asked, start: Callable[[], Awaitable[GoalView]]
    ) -> GoalView:
        """Return the same caller's same goal that is at work, or start one."""
        if (known := self._started.get(asked)) is not None:
            view = await goals.get(known)
            if view.state not in FINAL_GOAL_STATES:
                return view
        view = await start()
        self._started[asked] = view.id
        while len(self._started) > REMEMBERED:
            self._started.popitem(last=False)
        return view

    async def _look(self, goals: OwnGoals, goal: str, until: float, context: Context) -> str:
        """Wait for a goal's end until then, in seconds of the event loop's clock, and say how it stands."""
        left = max(0.0, until - anyio.current_time())
        view = await goals.ended(goal, left, self.progress(context))
        left = max(FILES_SECONDS, until - anyio.current_time())
        delivered = None
        with anyio.move_on_after(left):
            delivered = await _delivered(goals, view)
        return reply(view, delivered)


async def _delivered(goals: OwnGoals, view: GoalView) -> Delivered:
    if view.state != "success":
        return NOTHING
    try:
        return await goals.delivered(view.id)
    except (NotFoundError, ConflictError):
        return NOTHING


async def _newest(goals: OwnGoals) -> str:
    views, _ = await goals.list(1, 0)
    if views:
        return views[0].id
    message = "you have not started a goal"
    raise NotFoundError(message, next_step="Call start_goal.")


def _asking(view: GoalView) -> str:
    """Return the task that asks; the only one that is not done where none does."""
    open_tasks = [task for task in view.tasks if task.state != "done"]
    for task in (*(task for task in open_tasks if task.question.text), *open_tasks):
        return task.id
    message = f"goal {view.id} is {view.state} and asks nothing"
    raise NotFoundError(message, next_step="Call get_result.")


def build_agent_server(tools: AgentTools) -> FastMCP:
    """Build the server."""
    server = FastMCP("atos-n8n", instructions=INSTRUCTIONS)
    starting = changing("Build software", idempotent=False)
    server.tool(tools.start_goal, annotations=starting, output_schema=None)
    server.tool(tools.get_result, annotations=read_only("Get the result"), output_schema=None)
    starting = changing("Run one task", idempotent=False)
    server.tool(tools.run_task, annotations=starting, output_schema=None)
    answering = changing("Answer a question", idempotent=False)
    server.tool(tools.answer, annotations=answering, output_schema=None)
    return server
