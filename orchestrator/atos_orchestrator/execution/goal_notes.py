"""What a person says to a goal while it is at work: notes for tasks that begin later, and other limits.

Both are events, read in a durable step, so that a replay finds what the run had found. Limits hold for the run in
which they were set; a later run of the goal begins with limits of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atos_orchestrator.execution.goal_input import MAX_MODEL_CALLS, MAX_SECONDS, Limits
from atos_orchestrator.plan import MAX_CONTRACT
from atos_orchestrator.task import Task
from atos_protocol.errors import BadRequestError
from atos_protocol.goals import Event

MAX_NOTE = 500
"""Characters."""
MOST_SECONDS, MOST_MODEL_CALLS = 7 * 24 * 3600.0, 10_000
INTRODUCTION = "The person adds: "


def check_note(text: str) -> str:
    """Return a note as it is kept.

    Raises:
        BadRequestError: it is empty or too long.
    """
    plain = " ".join(text.split())
    if not plain or not plain.isprintable():
        message = "a note needs text without control characters"
        raise BadRequestError(message, next_step="Write one sentence: `Use only ASCII letters`.")
    if len(plain) > MAX_NOTE:
        message = f"the note has {len(plain)} characters; at most {MAX_NOTE} fit"
        raise BadRequestError(message, next_step="Say it more briefly.")
    return plain


def with_notes(task: Task, notes: Sequence[str]) -> Task:
    """Return a task whose contract ends with what a person added; the newest notes that fit."""
    room = MAX_CONTRACT
    kept: list[str] = []
    for note in reversed(notes):
        room -= len(note) + 1
        if room < 0:
            break
        kept.insert(0, note)
    if not kept:
        return task
    return replace(task, contract=f"{task.contract}\n{INTRODUCTION}{' '.join(kept)}".strip())


def notes_of(events: Sequence[Event]) -> list[str]:
    """Return the notes of a goal, oldest first."""
    return [str(event.data.get("text", "")) for event in events if event.kind == "noted"]


def check_limits(seconds: float, model_calls: int) -> dict[str, Any]:
    """Return limits as they are kept; 0 leaves one as it is.

    Raises:
        BadRequestError: none is given, or one is out of range.
    """
    if not seconds and not model_calls:
        message = "neither seconds nor model calls were given"
        raise BadRequestError(message, next_step=f"Usual: {MAX_SECONDS:.0f}, {MAX_MODEL_CALLS}.")
    if not 0 <= seconds <= MOST_SECONDS or not 0 <= model_calls <= MOST_MODEL_CALLS:
        message = f"{seconds:.0f} s and {model_calls} model calls were given"
        step = f"Give at most {MOST_SECONDS:.0f} s and {MOST_MODEL_CALLS} model calls."
        raise BadRequestError(message, next_step=step)
    return {"seconds": seconds, "model_calls": model_calls}


def with_limits(limits: Limits, given: dict[str, Any]) -> Limits:
    """Return limits of which those given are replaced."""
    return Limits(
        float(given.get("seconds") or limits.seconds),
        int(given.get("model_calls") or limits.model_calls),
    )


def limits_now(limits: Limits, revision: int, events: Sequence[Event]) -> Limits:
    """Return the limits of a run after what was set meanwhile."""
    for event in events:
        if event.kind == "limits_set" and event.data.get("revision") == revision:
            limits = with_limits(limits, dict(event.data))
    return limits
