"""Which spans of a goal at work are over, so that they may be sent: a span is sent once, and can't be changed. Pure.

A call, a load and a run are over when there is an event of them; a wait when something came after it; a task and
its candidates when the task has ended; a goal when its run has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from atos.tracing.spans import ENDS_OF_A_PERSONS_WAIT, Span, run_is_over
from atos_protocol.goals import Event

ALWAYS = frozenset({"model_call", "load", "sandbox_run"})
QUESTIONS = frozenset({"asked", "goal_paused", "plan_review"})


def settled(spans: Sequence[Span], events: Sequence[Event]) -> list[Span]:
    """Return those of a goal's spans that no later event of this run changes."""
    if not events:
        return []
    ended = run_is_over(events)
    last = {event.task: event for event in events}
    again = {str(t): e.seq for e in events if e.kind == "goal_resumed" for t in _tasks(e)}
    at_rest = {
        task
        for task, event in last.items()
        if event.kind == "task_done" and event.seq > again.get(task, 0)
    }
    kinds = {event.seq: event for event in events}
    answered = max((e.seq for e in events if e.kind in ENDS_OF_A_PERSONS_WAIT), default=0)

    def over(span: Span) -> bool:
        if span.kind in ALWAYS or (span.kind == "wait" and span.seq not in kinds):
            return True
        if span.kind == "wait":
            event = kinds[span.seq]
            if event.kind in QUESTIONS:
                return answered > span.seq
            return event.kind == "model_call" or last[event.task].seq > span.seq
        return ended if span.kind == "goal" else span.task in at_rest or ended

    return [span for span in spans if over(span)]


def _tasks(event: Event) -> Sequence[object]:
    tasks: object = event.data.get("tasks")
    return cast("list[object]", tasks) if isinstance(tasks, list) else ()
