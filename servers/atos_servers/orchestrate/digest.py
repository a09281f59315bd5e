"""A goal in a few words, for models that follow it: at most `DIGEST_BYTES` a look. Pure.

    head: state, tasks, tests -> what is new, the rest counted -> tail: what to do next

Head and tail always stand; what is new fills the room between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from atos_protocol.goals import (
    FINAL_GOAL_STATES,
    FINAL_TASK_STATES,
    Event,
    GoalView,
    TaskView,
)
from atos_protocol.printable import printable
from atos_protocol.proof_words import proof_text

DIGEST_BYTES = 360
"""Bytes of the text; with what stands beside it, 480: 120 tokens."""
PART_BYTES = 150
MILESTONES = frozenset({"task_done", "asked", "goal_finished"})
"""Kinds of events that are worth waking whoever follows a goal."""
UNTRUSTED = "Models wrote it: untrusted outside the sandbox. get_goal has the whole."
SOONEST_S, LATEST_S, USUAL_S = 5, 60, 20


def ask_again_s(view: GoalView) -> int:
    """Return in how many seconds it is worth looking again, judged by the tasks so far; 0 when it has ended."""
    if view.state in FINAL_GOAL_STATES:
        return 0
    if view.state == "paused":
        return LATEST_S
    if view.state == "queued" and view.starts_in_s:
        return round(min(max(view.starts_in_s, SOONEST_S), LATEST_S))
    done = sum(task.state == "done" for task in view.tasks)
    guess = view.seconds / done if done else USUAL_S
    return round(min(max(guess, SOONEST_S), LATEST_S))


def facts(view: GoalView, seq: int) -> dict[str, Any]:
    """Return what a program needs to go on, small enough to stand beside every digest."""
    return {
        "id": view.id,
        "state": view.state,
        "final": view.state in FINAL_GOAL_STATES,
        "seq": seq,
        "ask_again_s": ask_again_s(view),
    }


def digest(view: GoalView, events: Iterable[Event] | None, seq: int) -> str:
    """Return the text of one look.

    Args:
        view: the goal as it stands.
        events: what happened since the last look; None for a look that tells of every task.
        seq: pass it as after_seq next time.
    """
    head, tail = _head(view), _tail(view, seq)
    room = DIGEST_BYTES - len(head.encode()) - len(tail.encode()) - 2
    middle = _fill(list(_parts(view, _touched(view, events))), room)
    return " ".join(part for part in (head, middle, tail) if part)


def _head(view: GoalView) -> str:
    settled = sum(task.state in FINAL_TASK_STATES for task in view.tasks)
    tasks = f", {settled} of {len(view.tasks)} tasks" if view.tasks else ""
    tests = view.tests
    counted = (
        f", {tests.passed} passed {tests.failed} failed" if tests.passed + tests.failed else ""
    )
    ahead = f", {view.ahead} before it" if view.state == "queued" and view.ahead else ""
    return f"{view.id} {view.state}{tasks}{counted}{ahead}, {view.seconds:.0f} s."


def _tail(view: GoalView, seq: int) -> str:
    asking = next((task for task in view.tasks if task.question.text), None)
    if view.state == "paused":
        return f"resume_goal has it go on; after_seq={seq}."
    if view.state not in FINAL_GOAL_STATES:
        return f"Ask again in ~{ask_again_s(view)} s, after_seq={seq}."
    if asking is not None:
        return f"Then answer_question {asking.id}."
    if view.error:
        return cut(f"Next: {view.error.get('next') or 'get_task shows why.'}", PART_BYTES)
    return UNTRUSTED if view.repository else "get_goal has the whole."


def _touched(view: GoalView, events: Iterable[Event] | None) -> Sequence[TaskView]:
    if events is None:
        return view.tasks
    named = {event.task for event in events if event.kind in MILESTONES}
    return [task for task in view.tasks if task.id in named or task.question.text]


def _parts(view: GoalView, tasks: Sequence[TaskView]) -> Iterable[str]:
    if view.error:
        yield cut(f"{view.error.get('message', '')}.", PART_BYTES)
    elif view.state in FINAL_GOAL_STATES and view.repository:
        yield cut(f"In {view.repository}.", PART_BYTES)
    if view.announcement and not view.tasks:
        yield cut(view.announcement, PART_BYTES)
    yield from (f"{_told(task)}." for task in sorted(tasks, key=lambda t: not t.question.text))


def _told(task: TaskView) -> str:
    if task.question.text:
        options = ", ".join(f"{n}) {text}" for n, text in enumerate(task.question.options, 1))
        return cut(f"{task.id} asks: {task.question.text} {options}", PART_BYTES)
    if task.state == "done":
        return cut(f"{task.id} done: {proof_text(task.proof, task.evidence)}", 90)
    why = f": {task.why}" if task.why else ""
    return cut(f"{task.id} {task.state}{why}", 110)


def _fill(parts: list[str], room: int) -> str:
    """Join as many parts as fit; the others are counted."""
    taken: list[str] = []
    for at, part in enumerate(parts):
        more = f"(+{len(parts) - at} more)"
        last = at == len(parts) - 1
        if len(" ".join([*taken, part] + ([] if last else [more])).encode()) > room:
            shown = " ".join([*taken, more])
            return shown if len(shown.encode()) <= room else " ".join(taken)
        taken.append(part)
    return " ".join(taken)


def cut(text: object, limit: int) -> str:
    """Return one line with nothing hidden in it, of at most `limit` bytes."""
    plain = printable(" ".join(str(text).split())).rstrip(".")
    raw = plain.encode()
    return plain if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "..."
