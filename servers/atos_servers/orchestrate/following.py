"""Following a goal: `wait_goal`, which sleeps until something is worth telling.

    events come -> none is a milestone: on waiting -> a milestone: what comes at once after it is taken along -> told

`detail="events"` is for programs: every event, page by page, as soon as there is one. `detail="story"` tells at once
what happened and why (`story_pages`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import anyio
from fastmcp.tools import ToolResult
from mcp.types import TextContent
from pydantic import TypeAdapter

from atos.cli.event_lines import said
from atos_orchestrator.execution.goal_api import Progress
from atos_protocol.goals import FINAL_GOAL_STATES, Event, GoalNews, GoalView
from atos_servers.host.reply_limit import shrink
from atos_servers.orchestrate.digest import MILESTONES, digest, facts
from atos_servers.orchestrate.event_pages import PAGE_BYTES, page
from atos_servers.orchestrate.own_goals import OwnGoals

Detail = Literal["digest", "events", "story"]
COALESCE_SECONDS = 0.4
"""How long what follows a milestone is waited for, so that it is told in the same look."""
GOAL_BYTES = 7_000
"""Bytes of the goal's view beside a page of events, where a model reads it."""

VIEW = TypeAdapter(GoalView)
EVENTS = TypeAdapter(tuple[Event, ...])


async def follow(
    goals: OwnGoals, goal: str, after: int, seconds: float, progress: Progress
) -> ToolResult:
    """Return a digest once a milestone came, the goal has ended, or the time is up."""
    deadline = anyio.current_time() + seconds
    seen: list[Event] = []
    seq = after
    while True:
        left = max(0.0, deadline - anyio.current_time())
        news = await goals.wait(goal, after=seq, seconds=left, progress=progress)
        seen += news.events
        seq = max(seq, news.seq)
        if news.goal.state in FINAL_GOAL_STATES or not left:
            break
        if _is_worth_telling(news.events):
            more = await goals.wait(goal, after=seq, seconds=min(left, COALESCE_SECONDS))
            news, seq = more, max(seq, more.seq)
            seen += more.events
            break
    return told(news.goal, seen, seq)


async def every_event(
    goals: OwnGoals, goal: str, after: int, seconds: float, progress: Progress, *, whole: bool
) -> ToolResult:
    """Return a page of events as soon as there are any; `whole` leaves the goal's view uncut."""
    news = await goals.wait(goal, after=after, seconds=seconds, progress=progress)
    return paged(news, after, whole=whole)


def paged(news: GoalNews, after: int, *, whole: bool) -> ToolResult:
    """Return one page of what happened, with the goal as it stands."""
    events = EVENTS.dump_python(news.events, mode="json")
    taken, seq = page(events, after, news.seq)
    _add_sentences(taken)
    view = VIEW.dump_python(news.goal, mode="json")
    shown = view if whole else shrink(view, GOAL_BYTES)
    structured = {"events": taken, "seq": seq, "goal": shown}
    return ToolResult(
        content=_text(json.dumps(structured, ensure_ascii=False)), structured_content=structured
    )


def _add_sentences(events: Sequence[dict[str, Any]]) -> None:
    """Say what events mean, the newest first, as far as there is room: sentences must not cost a page more."""
    left = PAGE_BYTES - len(json.dumps(events, ensure_ascii=False).encode())
    for event in reversed(events):
        sentence = said(event)
        left -= len(json.dumps({"said": sentence}, ensure_ascii=False).encode())
        if left < 0:
            return
        event["said"] = sentence


def told(view: GoalView, events: Sequence[Event], seq: int) -> ToolResult:
    """Return one look: a digest, and beside it what a program needs to go on."""
    return ToolResult(content=_text(digest(view, events, seq)), structured_content=facts(view, seq))


def whole_goal(view: GoalView) -> ToolResult:
    """Return a goal: its digest for models, all of it for programs."""
    structured: dict[str, Any] = VIEW.dump_python(view, mode="json")
    return ToolResult(content=_text(digest(view, None, view.seq)), structured_content=structured)


def _is_worth_telling(events: Sequence[Event]) -> bool:
    return any(event.kind in MILESTONES for event in events)


def _text(text: str) -> list[Any]:
    return [TextContent(type="text", text=text)]
