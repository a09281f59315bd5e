"""Ending a goal on request: its newest run and its tasks, then what is told of it, then the worker at once.

A host that is killed in between leaves a cancelled run without a last event, which the reconciler appends.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio.to_thread

from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_api import Notify
from atos_orchestrator.execution.goal_input import event_key, finished_key, run_of
from atos_protocol.goals import FINAL_TASK_STATES, GoalView

CANCELLED = "Cancelled on request."


@dataclass(frozen=True, slots=True)
class GoalCancelling:
    """Cancels goals, as any process may."""

    client: DbosClient
    events: EventStore
    notify: Notify
    """Tells the worker."""

    async def cancel(self, view: GoalView) -> None:
        """End a goal that has not ended, and everything that works for it."""
        revision = await anyio.to_thread.run_sync(self.events.revision, view.id)
        await self.client.cancel(run_of(view.id, revision))
        await anyio.to_thread.run_sync(self._append, view, revision)
        await self.notify({"op": "cancel", "goal": view.id, "revision": revision})

    def _append(self, view: GoalView, revision: int) -> None:
        for task in view.tasks:
            if task.state not in FINAL_TASK_STATES:
                data = {"state": "cancelled", "rounds": task.rounds}
                key = event_key(revision, task.id, "task_done", "end")
                self.events.append(view.id, "task_done", data, key=key, task=task.id)
        end = {"state": "cancelled", "summary": CANCELLED, "error": None}
        self.events.append(view.id, "goal_finished", end, key=finished_key(revision))
