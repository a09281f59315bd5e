"""Spans of a goal, derived from its events: goal, task, candidate, model call, load, sandbox run, wait. Pure.

The events are the only record, so a goal can be traced while it runs or long after; the same events give the same
spans with the same ids, and what is sent twice is the same trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from atos.tracing import genai_names as names
from atos_protocol.goals import Event
from atos_protocol.redaction import redacted, redacted_value

Kind = Literal["goal", "task", "candidate", "model_call", "load", "sandbox_run", "wait"]
LEAST_WAIT_SECONDS = 0.05
"""A shorter wait for a model is the time that any request takes."""
FAILED_STATES = frozenset({"failed", "needs_help", "limit_reached"})
ENDS_OF_A_PERSONS_WAIT = frozenset({"goal_resumed", "goal_unpaused"})
RUN_BOUNDS = frozenset({"goal_submitted", "goal_resumed", "goal_finished"})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which one thing was done."""

    id: str
    """16 hexadecimal digits."""
    parent: str
    """The span that it is part of; empty for the goal's."""
    trace: str
    """32 hexadecimal digits, the same for all spans of a goal."""
    kind: Kind
    name: str
    start: float
    """Epoch seconds."""
    end: float
    seq: int
    """Number of the event that it was derived from."""
    task: str = ""
    failed: str = ""
    """Why it failed: a state or a code; empty where it did not."""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def run_is_over(events: Sequence[Event]) -> bool:
    """Tell whether a goal's newest run has ended; a person may have said something to it since."""
    bounds = (event.kind for event in reversed(events) if event.kind in RUN_BOUNDS)
    return next(bounds, "") == "goal_finished"


def trace_id(goal: str) -> str:
    """Return the id of a goal's trace."""
    return hashlib.sha256(f"atos {goal}".encode()).hexdigest()[:32]


def span_id(goal: str, kind: Kind, about: str) -> str:
    """Return the id of a span: the same each time that it is derived."""
    return hashlib.sha256(f"atos {goal} {kind} {about}".encode()).hexdigest()[:16]


def spans_of(events: Sequence[Event], *, content: bool = False) -> list[Span]:
    """Return the spans of a goal's events, by their begin; none without events.

    Args:
        events: of one goal, in order.
        content: whether what people and models wrote (the goal, titles, questions) goes along.
    """
    if not events:
        return []
    made = _Derivation(events, content)
    found = [
        *made.goal(),
        *made.tasks(),
        *made.candidates(),
        *made.calls(),
        *made.runs(),
        *made.waits(),
    ]
    return sorted(
        found, key=lambda span: (span.start, span.kind != "goal", span.kind != "task", span.seq)
    )


class _Derivation:
    """One goal's events, looked through once for each kind of span."""

    def __init__(self, events: Sequence[Event], content: bool) -> None:
        self._events = events
        self._content = content
        self._goal = events[0].goal
        self._root = span_id(self._goal, "goal", "")

    def _span(
        self, kind: Kind, about: str, event: Event, start: float, end: float, name: str, *,
        parent: str = "", failed: str = "", **more: Any,
    ) -> Span:  # fmt: skip
        attributes = {
            names.KIND: kind, names.GOAL: self._goal, names.EVENT: event.seq,
            **({names.TASK: event.task} if event.task else {}),
            **{key: value for key, value in more.pop("attributes", {}).items() if value not in ("", None)},
        }  # fmt: skip
        return Span(
            span_id(self._goal, kind, about), parent, trace_id(self._goal), kind, redacted(name),
            start, max(start, end), event.seq, event.task, redacted(failed), redacted_value(attributes),
        )  # fmt: skip

    def _parent(self, event: Event) -> str:
        if not event.task:
            return self._root
        if "round" in event.data:
            return span_id(self._goal, "candidate", f"{event.task} {_count(event, 'round')}")
        return span_id(self._goal, "task", event.task)

    def _text(self, text: object) -> dict[str, str]:
        return {names.TEXT: str(text)} if self._content and text else {}

    def goal(self) -> Iterator[Span]:
        first, last = self._events[0], self._events[-1]
        over = run_is_over(self._events)
        ends = [event for event in self._events if over and event.kind == "goal_finished"]
        state = str(ends[-1].data.get("state") or "") if ends else ""
        yield self._span(
            "goal", "", first, first.at, ends[-1].at if ends else last.at, f"{names.WORKFLOW_OPERATION} atos.goal",
            failed=state if state in FAILED_STATES else "",
            attributes={
                names.OPERATION: names.WORKFLOW_OPERATION, names.CONVERSATION: self._goal, names.STATE: state,
                **self._text(first.data.get("goal")),
            },
        )  # fmt: skip

    def tasks(self) -> Iterator[Span]:
        titles: dict[str, Any] = {
            str(task.get("id")): task.get("title")
            for event in self._events
            if event.kind == "plan_ready"
            for task in event.data.get("tasks") or ()
        }
        for task, mine in _grouped(self._events, lambda event: event.task).items():
            done = [event for event in mine if event.kind == "task_done"]
            state = str(done[-1].data.get("state") or "") if done else ""
            yield self._span(
                "task", task, mine[0], mine[0].at, mine[-1].at, f"{names.AGENT_OPERATION} {task}",
                parent=self._root, failed=state if state in FAILED_STATES else "",
                attributes={
                    names.OPERATION: names.AGENT_OPERATION, names.AGENT: task, names.STATE: state,
                    **self._text(titles.get(task)),
                },
            )  # fmt: skip

    def candidates(self) -> Iterator[Span]:
        def group(event: Event) -> str:
            return (
                f"{event.task} {_count(event, 'round')}"
                if event.task and "round" in event.data
                else ""
            )

        for about, mine in _grouped(self._events, group).items():
            begin = min((_began(event) for event in mine), default=mine[0].at)
            number = _count(mine[0], "round") + 1
            unfit = any(
                event.kind == "syntax_checked" and event.data.get("ok") is False for event in mine
            )
            lost = [
                event
                for event in mine
                if event.kind == "tests_run" and event.data.get("ok") is False
            ]
            failed = "syntax" if unfit else "tests" if lost and lost[-1] is _last_run(mine) else ""
            yield self._span(
                "candidate", about, mine[0], begin, mine[-1].at, f"candidate {number}",
                parent=span_id(self._goal, "task", mine[0].task), failed=failed,
                attributes={names.ROUND: number - 1},
            )  # fmt: skip

    def calls(self) -> Iterator[Span]:
        for event in self._of("model_call"):
            data, start, end = event.data, _began(event), _number(event, "ended_at") or event.at
            model, queued = str(data.get("model") or ""), _number(event, "queued")
            loading = min(queued, _number(event, "loading"))
            call = self._span(
                "model_call", str(event.seq), event, start, end, f"{names.CHAT_OPERATION} {model}",
                parent=self._parent(event),
                attributes={
                    names.OPERATION: names.CHAT_OPERATION, names.PROVIDER: data.get("engine"),
                    names.REQUEST_MODEL: f"atos/{data.get('pool')}", names.RESPONSE_MODEL: model,
                    names.INPUT_TOKENS: _count(event, "prompt_tokens"), names.OUTPUT_TOKENS: _count(event, "tokens"),
                    names.CACHED_TOKENS: _count(event, "reused_tokens"), names.ROLE: data.get("role"),
                    names.POOL: data.get("pool"), names.QUEUED: queued, names.LOADING: loading,
                    names.READING: _number(event, "prompt_seconds"), names.WRITING: _number(event, "seconds"),
                },
            )  # fmt: skip
            yield call
            if queued - loading >= LEAST_WAIT_SECONDS:
                yield self._span(
                    "wait", f"call {event.seq}", event, start - queued, start - loading, f"wait for {model}",
                    parent=call.parent, attributes={names.WHAT: "model", names.RESPONSE_MODEL: model},
                )  # fmt: skip
            if loading:
                yield self._span(
                    "load", str(event.seq), event, start - loading, start, f"load {model}",
                    parent=call.parent, attributes={names.RESPONSE_MODEL: model},
                )  # fmt: skip

    def runs(self) -> Iterator[Span]:
        for event in self._of("tests_run", "evaluated"):
            tool = "run_pytest" if event.kind == "tests_run" else "evaluate"
            data = event.data
            failed = "tests" if data.get("ok") is False and data.get("which") != "stub" else ""
            yield self._span(
                "sandbox_run", str(event.seq), event, _began(event), _number(event, "ended_at") or event.at,
                f"{names.TOOL_OPERATION} {tool}", parent=self._parent(event), failed=failed,
                attributes={
                    names.OPERATION: names.TOOL_OPERATION, names.TOOL: tool, names.ISOLATION: data.get("isolation"),
                    names.PASSED: data.get("passed") if event.kind == "tests_run" else None,
                    names.FAILED: data.get("failed") if event.kind == "tests_run" else None,
                    names.CANDIDATES: data.get("candidates"), names.ROWS: data.get("rows"),
                },
            )  # fmt: skip

    def waits(self) -> Iterator[Span]:
        for at, event in enumerate(self._events):
            later = self._events[at + 1 :]
            if event.kind == "waiting":
                end = next((e.at for e in later if e.task == event.task), self._events[-1].at)
                what, begin = (
                    str(event.data.get("code") or "queue"),
                    _number(event, "since") or event.at,
                )
            elif event.kind in {"asked", "goal_paused", "plan_review"}:
                ends = (e.at for e in later if e.kind in ENDS_OF_A_PERSONS_WAIT)
                end, what, begin = next(ends, self._events[-1].at), "person", event.at
            else:
                continue
            parent = span_id(self._goal, "task", event.task) if event.task else self._root
            yield self._span(
                "wait", str(event.seq), event, begin, end, f"wait for {what}", parent=parent,
                attributes={names.WHAT: what, **self._text(event.data.get("for"))},
            )  # fmt: skip

    def _of(self, *kinds: str) -> Iterator[Event]:
        return (event for event in self._events if event.kind in kinds)


def _grouped(events: Sequence[Event], key: Callable[[Event], str]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if about := key(event):
            found.setdefault(about, []).append(event)
    return found


def _last_run(events: Sequence[Event]) -> Event | None:
    return next((event for event in reversed(events) if event.kind == "tests_run"), None)


def _number(event: Event, name: str) -> float:
    value = event.data.get(name)
    return float(value) if isinstance(value, int | float) and 0 < value < 1e12 else 0.0


def _count(event: Event, name: str) -> int:
    return int(_number(event, name))


def _began(event: Event) -> float:
    return _number(event, "started_at") or event.at
