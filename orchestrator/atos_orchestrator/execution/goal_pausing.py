"""A person pauses a goal, and has it go on: two events, which every process that works for the goal obeys.

    pause   `goal_paused`   -> the worker's gate closes (`pause_gate`)
    resume  `goal_unpaused` -> it opens

The events are all that there is: a worker that starts anew finds the gate closed, and a word that is lost on the way
to it is found by the reconciler's next look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import anyio.to_thread

from atos_orchestrator.events import fold
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_api import Notify
from atos_protocol.errors import ConflictError
from atos_protocol.goals import (
    APPROVAL_NEEDED,
    FINAL_GOAL_STATES,
    RESUMABLE_GOAL_STATES,
    Event,
    GoalView,
)

PauseEvent = Literal["goal_paused", "goal_unpaused"]


@dataclass(frozen=True, slots=True)
class GoalPausing:
    """Pauses goals; both methods return the goal as it stands after it.

    They raise `NotFoundError` where there is no such goal, and `ConflictError` where it has ended. A goal that is
    paused already, or is not, stays as it is.
    """

    events: EventStore
    known: Callable[[str], Awaitable[list[Event]]]
    """Reads the events of a goal that must exist."""
    notify: Notify

    async def pause(self, goal: str) -> GoalView:
        """Have nothing work for a goal until it is resumed: no model, no sandbox."""
        return await self._set(goal, "goal_paused")

    async def resume(self, goal: str) -> GoalView:
        """Have a paused goal go on where it was."""
        return await self._set(goal, "goal_unpaused")

    async def _set(self, goal: str, kind: PauseEvent) -> GoalView:
        told = await self.known(goal)
        view = fold(told)
        if view.state in FINAL_GOAL_STATES:
            raise _has_ended(view, kind)
        if (view.state == "paused") is (kind == "goal_paused"):
            return view
        # Two callers at once mean the same pause, so they make the same key.
        number = sum(event.kind == kind for event in told) + 1
        append = self.events.append
        await anyio.to_thread.run_sync(lambda: append(goal, kind, {}, key=f"{kind}:{number}"))
        await self.notify({"op": "pauses", "goal": goal})
        return fold(await self.known(goal))


def _has_ended(view: GoalView, kind: PauseEvent) -> ConflictError:
    done = "paused" if kind == "goal_paused" else "resumed"
    message = f"goal {view.id} ended as {view.state}: it can't be {done}"
    return ConflictError(message, next_step=_instead(view, kind))


def _instead(view: GoalView, kind: PauseEvent) -> str:
    """Say what can be done about a goal for which nothing works."""
    if view.error.get("code") == APPROVAL_NEEDED:
        return f"Nothing works for it until its plan is approved: atos-client approve {view.id}"
    if kind == "goal_unpaused" and view.state in RESUMABLE_GOAL_STATES:
        return f"Try again what is not done: atos-client retry {view.id}"
    return "Nothing works for it."
