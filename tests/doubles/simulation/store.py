"""The events table and the acceptance of goals on the simulated database; what is kept and folded is the real store's."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.dbos_client import GOALS, DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.event_table import NewEvent, new_event
from atos_orchestrator.execution.goal_input import GOAL, GoalInput
from atos_orchestrator.execution.goal_queue import place_of
from atos_orchestrator.execution.unfinished_goals import LANDMARKS
from atos_orchestrator.time_spent import WORK_EVENTS, Work
from atos_protocol.goals import Event
from doubles.simulation.library import CLAIM
from doubles.simulation.machine import machine
from doubles.simulation.tables import Tables


class Events(EventStore):
    """The real store over tables in memory."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(cast("Any", None))
        self._tables = tables

    def append_soon(
        self, goal: str, kind: str, data: Mapping[str, Any], *, key: str, task: str | None = None
    ) -> None:
        machine().check_alive()
        if (claim := CLAIM.get()) is not None:
            claim.told.append((goal, key))
        super().append_soon(goal, kind, data, key=key, task=task)

    def append(
        self, goal: str, kind: str, data: Mapping[str, Any], *, key: str, task: str | None = None
    ) -> int:
        return self._append_all([new_event(goal, kind, data, key=key, task=task)])[0]

    def _append_all(self, events: Sequence[NewEvent]) -> list[int]:
        return self._tables.append(events)

    def read(self, goal: str, after: int = 0) -> list[Event]:
        self._tables.check()
        return [event for event in self._tables.of_goal.get(goal, ()) if event.seq > after]

    def work(self, goal: str) -> Work:
        seq, used = self._works.of(goal)
        fresh = [event for event in self.read(goal, seq) if event.kind in WORK_EVENTS]
        used = used.plus(fresh)
        if fresh:
            self._works.keep(goal, fresh[-1].seq, used)
        return used.work

    def count(self, goal: str, kind: str) -> int:
        return sum(event.kind == kind for event in self.read(goal))

    def of_kind(self, goal: str, kind: str) -> list[Event]:
        return [event for event in self.read(goal) if event.kind == kind]

    def _look(self) -> None:
        self._tables.check()
        after = self._unfinished.seq
        fresh = [event for event in self._tables.events[after:] if event.kind in LANDMARKS]
        self._unfinished.add((event.seq, event.goal, event.kind) for event in fresh)


class Acceptance:
    """Accepts runs: the event and the queued run, or neither."""

    def __init__(self, tables: Tables, events: Events, client: DbosClient) -> None:
        self.tables = tables
        self.events = events
        self.client = client

    def accept(self, goal_input: GoalInput, kind: str, data: Mapping[str, Any], key: str) -> bool:
        """Append an event and queue the run; return False where the event was there already."""
        here = machine()
        here.point("host.submit.before")
        seq = self.events.append(goal_input.goal, kind, data, key=key)
        if seq:
            place = place_of(here.wall(), goal_input.priority)
            self.tables.submit(GOAL, goal_input.run, encode(goal_input), GOALS, place)
        here.point("host.submit.after")
        return bool(seq)
