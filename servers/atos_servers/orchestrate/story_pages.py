"""The story of a goal for models and programs: `wait_goal(detail="story")`, page by page as events are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import TextContent

from atos.story.sentences import Sentence, story_of
from atos_protocol.goals import FINAL_GOAL_STATES, GoalNews

PAGE_BYTES = 6_000
"""Bytes of sentences in one reply, as text; the numbers beside them take as much again."""


def story_page(news: GoalNews, after: int) -> ToolResult:
    """Return what happened to a goal after an event, in sentences with the numbers of their events.

    Args:
        news: the goal with all of its events.
        after: `seq` of the page before; 0 at first.
    """
    told = [each for each in story_of(news.events) if each.events and max(each.events) > after]
    told.sort(key=lambda each: max(each.events))
    taken, seq = _taken(told)
    seq = seq or max(after, news.seq)
    left = len(told) - len(taken)
    lines = [_line(each) for each in taken] or ["nothing new"]
    more = [f"{left} more: after_seq={seq}"] if left else []
    final = not left and news.goal.state in FINAL_GOAL_STATES
    structured: dict[str, Any] = {
        "story": [
            {"text": s.text, "task": s.task, "at": s.at, "events": list(s.events)} for s in taken
        ],
        "seq": seq,
        "final": final,
    }
    text = "\n".join([*lines, *more])
    return ToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def _taken(told: Sequence[Sentence]) -> tuple[list[Sentence], int]:
    """Return the first sentences that fit, those of an event together, one event's at least; and their last event's number."""
    room, taken, last = PAGE_BYTES, list[Sentence](), 0
    for seq, group in groupby(told, key=lambda each: max(each.events)):
        mine = list(group)
        room -= sum(len(_line(each).encode()) + 1 for each in mine)
        if room < 0 and taken:
            return taken, last
        taken += mine
        last = seq
    return taken, 0


def _line(sentence: Sentence) -> str:
    source = ",".join(f"#{number}" for number in sentence.events)
    return f"{source} {sentence.task + ' ' if sentence.task else ''}{sentence.text}"
