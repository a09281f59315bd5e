"""What a host offers its user besides tools: prompts to begin with, and goals to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastmcp import FastMCP
from mcp.types import (
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import TypeAdapter

from atos_protocol.goals import Event, GoalNews
from atos_protocol.printable import printable
from atos_servers.orchestrate.own_goals import OwnGoals
from atos_servers.orchestrate.plan_text import mermaid

LOG = TypeAdapter(tuple[Event, ...])
NEWS = TypeAdapter(GoalNews)
COMPLETED = 100
"""Goals whose ids are offered: the protocol allows no more."""


class Readings:
    """Resources over the goals of whoever reads."""

    def __init__(self, goals: Callable[[], Awaitable[OwnGoals]]) -> None:
        self._goals = goals

    async def goal(self, goal_id: str) -> str:
        """Show a goal with all its events, as JSON."""
        news = await (await self._goals()).wait(goal_id, seconds=0)
        return NEWS.dump_json(news).decode()

    async def log(self, goal_id: str) -> str:
        """Show what happened to a goal: a JSON object a line."""
        events = await self._events(goal_id)
        return "\n".join(LOG.dump_json((event,)).decode()[1:-1] for event in events)

    async def plan(self, goal_id: str) -> str:
        """Show a goal's plan as a Mermaid diagram."""
        events = await self._events(goal_id)
        return mermaid(await (await self._goals()).get(goal_id), events)

    async def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> list[str] | None:
        """Complete the id of a goal, newest first: hosts ask this while a person types."""
        del ref, context  # every prompt and template means the same by a goal_id
        if argument.name != "goal_id":
            return None
        views, _ = await (await self._goals()).list(COMPLETED, 0)
        return [view.id for view in views if view.id.startswith(argument.value)]

    async def _events(self, goal_id: str) -> tuple[Event, ...]:
        return tuple(await (await self._goals()).events(goal_id))


def build(goal: str) -> str:
    """Have something built, and follow it to its end."""
    return (
        f"Have ATOS build this: {printable(goal)}\n\n"
        "Write 3 to 5 examples of what it must do (`f(1) -> 2`, among them an edge case and an error), and show"
        " them to me. Then call start_goal with them, and wait_goal with the `seq` of each answer until `final`."
        " If a task asks something that you can't tell from what I said, ask me, and pass my answer to"
        " answer_question. At the end say where the repository is, and what was not proven."
    )


def review_plan(goal_id: str) -> str:
    """Go through a plan that waits for approval."""
    return (
        f"Call get_plan for goal {printable(goal_id)}. Show me its tasks, one line each, and what is missing: a function"
        " without an example, an error that nobody shows, two tasks that write one file. Change it with edit_plan"
        " as I say. Call approve_plan only when I have said yes."
    )


def whats_new() -> str:
    """Say what happened to the goals of late."""
    return (
        "Call list_goals. Tell me in a few lines what has ended since yesterday and how, what is at work, and what"
        " waits for me: for each question, its text and options. Read nothing else unless I ask."
    )


def add_reading(server: FastMCP, goals: Callable[[], Awaitable[OwnGoals]]) -> None:
    """Add prompts and resources to the orchestrate server."""
    readings = Readings(goals)
    for uri, kind, read in (
        ("goal://{goal_id}", "application/json", readings.goal),
        ("goal://{goal_id}/log", "application/jsonl", readings.log),
        ("goal://{goal_id}/plan", "text/vnd.mermaid", readings.plan),
    ):
        server.resource(uri, mime_type=kind)(read)
    for prompt in (build, review_plan, whats_new):
        server.prompt(prompt)
    server.add_completion_handler(readings.complete)
