"""What the fold of a goal's events has come to, and the changes that several kinds of events share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from atos_orchestrator.event_data import count, text
from atos_protocol.goals import (
    FINAL_TASK_STATES,
    Event,
    GoalState,
    GoalView,
    TaskState,
    TaskView,
    TestCounts,
    may_follow,
)


@dataclass(frozen=True, slots=True)
class Fold:
    """The view so far, and what it needs to remember beside it."""

    view: GoalView = field(default_factory=GoalView)
    first_at: float = 0.0
    ended_at: float = 0.0
    """When it reached its last final state."""
    paused: float = 0.0
    """Seconds between final states and what resumed the goal, and of pauses that are over."""
    under: GoalState | Literal[""] = ""
    """State of a goal that a person has paused, as if they had not; empty where nobody has."""
    paused_at: float = 0.0
    task_tests: Mapping[str, TestCounts] = field(default_factory=dict[str, TestCounts])
    verified: bool = False

    def idle_until(self, at: float) -> float:
        """Return the seconds, of those until `at`, in which nothing was to work for the goal."""
        return self.paused + (max(0.0, at - self.paused_at) if self.under else 0.0)


def with_waiting(state: Fold, event: Event) -> Fold:
    """Note what the goal or task of an event waits for: nothing, after any event but `waiting`."""
    waits = event.kind == "waiting"
    waiting = f"{text(event.data, 'for', 'something')}{_ahead(event.data)}" if waits else ""
    if not event.task:
        if state.view.waiting == waiting:
            return state
        return replace(state, view=replace(state.view, waiting=waiting))
    if all(task.waiting == waiting for task in state.view.tasks if task.id == event.task):
        return state  # as with nearly all events, of which a goal has hundreds
    tasks = tuple(
        replace(task, waiting=waiting) if task.id == event.task else task
        for task in state.view.tasks
    )
    return replace(state, view=replace(state.view, tasks=tasks))


def _ahead(data: Mapping[str, Any]) -> str:
    return f" ({ahead} ahead)" if (ahead := count(data, "ahead")) else ""


def where(view: GoalView, data: Mapping[str, Any]) -> GoalView:
    """Note the sandbox's rung, uid and interpreter where the event names them."""
    uid = data.get("uid")
    return replace(
        view,
        isolation=text(data, "isolation", view.isolation),
        interpreter=text(data, "interpreter", view.interpreter),
        uid=uid if isinstance(uid, int) else view.uid,
    )


def with_task(state: Fold, event: Event, then: TaskState | None) -> Fold:
    """Bring a task into state `then`, if that is legal, and note how many rounds it took."""
    rounds = max(count(event.data, "rounds"), count(event.data, "round"))

    def moved(task: TaskView) -> TaskView:
        if task.id != event.task or task.state in FINAL_TASK_STATES:
            return task
        allowed = then is not None and may_follow(task.state, then)
        return replace(
            task,
            state=then if allowed and then is not None else task.state,
            rounds=max(task.rounds, rounds),
        )

    tasks = tuple(moved(task) for task in state.view.tasks)
    settled = bool(tasks) and all(task.state in FINAL_TASK_STATES for task in tasks)
    now: GoalState = "verifying" if settled else state.view.state
    return replace(state, view=replace(state.view, tasks=tasks, state=now))
