"""The events table as everybody uses it: append-only, in the same database as the workflows it describes.

Every view of a goal is a fold over it; there is no other record of progress. An event is written by the
step that causes it, under a key that is unique within its goal, so a step that runs twice (a killed
worker's step does) appends it once.

Steps append with `append_soon`, which never waits (`event_writer`); everybody else with `append`, in a thread. What is
read again and again is read from where the last look ended, never from the beginning.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import sqlalchemy as sa

from atos_orchestrator.execution.event_table import (
    EVENTS,
    NewEvent,
    create_table,
    event_of,
    insert,
    new_event,
)
from atos_orchestrator.execution.event_writer import EventWriter
from atos_orchestrator.execution.goal_works import GoalWorks
from atos_orchestrator.execution.unfinished_goals import LANDMARKS, Landmark, UnfinishedGoals
from atos_orchestrator.time_spent import WORK_EVENTS, Work, WorkSum
from atos_protocol.goals import Event

DRAIN_SECONDS = 1.0
"""How long the end of a process waits for the events that are not written yet."""
MOST_TERMS = 100
"""Goals that one query names."""


class EventStore:
    """Appends and reads events; every call is one short transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._listeners: list[Callable[[str, int], None]] = []
        self._unfinished = UnfinishedGoals()
        self._works = GoalWorks()
        self._writer: EventWriter | None = None
        self._writers_thread = 0

    def create(self) -> None:
        """Create the table if it is missing; several processes may do so at once.

        Called again after the database was replaced: what is remembered of the old one is forgotten.
        """
        with self._engine.begin() as connection:
            create_table(connection)
        with self._unfinished.lock:
            self._unfinished.forget()
        self._works.forget()

    def listen(self, listener: Callable[[str, int], None]) -> None:
        """Call `listener(goal, seq)` after every event that this process appends."""
        self._listeners.append(listener)

    def append(
        self, goal: str, kind: str, data: Mapping[str, Any], *, key: str, task: str | None = None
    ) -> int:
        """Append an event once per key of its goal; return its number, or 0 if it exists already."""
        with self._engine.begin() as connection:
            seq = self.append_with(connection, goal, kind, data, key=key, task=task)
        if seq:
            self.announce(goal, seq)
        return seq

    def append_with(
        self,
        connection: sa.Connection,
        goal: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        key: str,
        task: str | None = None,
    ) -> int:
        """Append within the caller's transaction, without notifying the listeners."""
        return insert(connection, [new_event(goal, kind, data, key=key, task=task)])[0]

    def append_soon(
        self, goal: str, kind: str, data: Mapping[str, Any], *, key: str, task: str | None = None
    ) -> None:
        """Have an event appended without waiting for it; `written` waits.

        Where nothing is `writing`, and in other threads, which may wait, it is appended at once.
        """
        if self._writer is None or threading.get_ident() != self._writers_thread:
            self.append(goal, kind, data, key=key, task=task)
        else:
            self._writer.put(new_event(goal, kind, data, key=key, task=task))

    async def written(self, goal: str) -> None:
        """Wait until what was appended soon to a goal is on disk.

        Raises:
            AtosError: it can't be.
        """
        if self._writer is not None:
            await self._writer.written(goal)

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Keep the writer running, in this event loop, while the context lasts."""
        writer = EventWriter(self._append_all, self.announce)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            self._writer, self._writers_thread = writer, threading.get_ident()
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.drain(DRAIN_SECONDS)
                self._writer = None
                tasks.cancel_scope.cancel()

    def _append_all(self, events: Sequence[NewEvent]) -> list[int]:
        with self._engine.begin() as connection:
            return insert(connection, events)

    def announce(self, goal: str, seq: int) -> None:
        """Notify the listeners of an event that was appended with `append_with`."""
        for listener in self._listeners:
            listener(goal, seq)

    def read(self, goal: str, after: int = 0) -> list[Event]:
        """Return the goal's events with a number above `after`, in order."""
        query = sa.select(EVENTS).where(EVENTS.c.goal == goal, EVENTS.c.seq > after)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq)).all()
        return [event_of(row) for row in rows]

    def read_from(self, goals: Mapping[str, int]) -> dict[str, list[Event]]:
        """Return the events of several goals, of each from a number on, in order."""
        found: dict[str, list[Event]] = {goal: [] for goal in goals}
        wanted = list(goals.items())
        with self._engine.connect() as connection:
            for first in range(0, len(wanted), MOST_TERMS):
                terms = wanted[first : first + MOST_TERMS]
                each = (sa.and_(EVENTS.c.goal == goal, EVENTS.c.seq >= seq) for goal, seq in terms)
                # Sorted here: told to sort, SQLite reads the whole table in the order of its key.
                for row in connection.execute(sa.select(EVENTS).where(sa.or_(*each))):
                    found[row.goal].append(event_of(row))
        return {goal: sorted(events, key=lambda e: e.seq) for goal, events in found.items()}

    def work(self, goal: str) -> Work:
        """Return what a goal has used so far; reads what is new since it was asked last, and the last that it knows."""
        seq, used = self._works.of(goal)
        told = self._work_events(goal, seq)
        if seq and (not told or told[0].seq != seq):
            # It was removed; this is another goal, which its caller's key has given the same id.
            seq, used = 0, WorkSum()
            told = self._work_events(goal, seq)
        used = used.plus(event for event in told if event.seq > seq)
        if told:
            self._works.keep(goal, told[-1].seq, used)
        return used.work

    def _work_events(self, goal: str, first: int) -> list[Event]:
        of_goal = sa.select(EVENTS).where(EVENTS.c.goal == goal, EVENTS.c.kind.in_(WORK_EVENTS))
        query = of_goal.where(EVENTS.c.seq >= first).order_by(EVENTS.c.seq)
        with self._engine.connect() as connection:
            return [event_of(row) for row in connection.execute(query)]

    def count(self, goal: str, kind: str) -> int:
        """Return how many events of a kind the goal has."""
        query = sa.select(sa.func.count()).where(EVENTS.c.goal == goal, EVENTS.c.kind == kind)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def of_kind(self, goal: str, kind: str) -> list[Event]:
        """Return the goal's events of a kind, in order."""
        query = sa.select(EVENTS).where(EVENTS.c.goal == goal, EVENTS.c.kind == kind)
        with self._engine.connect() as connection:
            return [event_of(row) for row in connection.execute(query.order_by(EVENTS.c.seq))]

    def revision(self, goal: str) -> int:
        """Return which run of the goal is its newest."""
        return self.count(goal, "goal_resumed") + 1

    def goals(self, limit: int, before: int = 0) -> list[tuple[int, str]]:
        """Return `(seq, goal)` of submissions, newest first, older than `before` (0: all)."""
        query = sa.select(EVENTS.c.seq, EVENTS.c.goal).where(EVENTS.c.kind == "goal_submitted")
        if before:
            query = query.where(EVENTS.c.seq < before)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq.desc()).limit(limit)).all()
        return [(int(row.seq), str(row.goal)) for row in rows]

    def ends(self, after: int, limit: int = 100) -> list[tuple[int, str]]:
        """Return `(seq, goal)` of the ends of goals' runs after a number, oldest first."""
        query = sa.select(EVENTS.c.seq, EVENTS.c.goal)
        query = query.where(EVENTS.c.kind == "goal_finished", EVENTS.c.seq > after)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq).limit(limit)).all()
        return [(int(row.seq), str(row.goal)) for row in rows]

    def newest(self) -> int:
        """Return the number of the newest event of all; 0 where there is none."""
        with self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.max(EVENTS.c.seq))).scalar() or 0)

    def since(self, after: int, limit: int) -> list[Event]:
        """Return so many events of all goals with a number above `after`, oldest first."""
        query = sa.select(EVENTS).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq).limit(limit)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [event_of(row) for row in rows]

    def landmarks(self, after: int, limit: int = 1000) -> list[Landmark]:
        """Return begins, ends and pauses of goals' runs after a number, oldest first."""
        query = sa.select(EVENTS.c.seq, EVENTS.c.goal, EVENTS.c.kind)
        query = query.where(EVENTS.c.kind.in_(LANDMARKS), EVENTS.c.seq > after)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq).limit(limit)).all()
        return [(int(row.seq), str(row.goal), str(row.kind)) for row in rows]

    def newest_landmark(self) -> int:
        """Return the number of the newest of them; 0 where there is none."""
        query = sa.select(sa.func.max(EVENTS.c.seq)).where(EVENTS.c.kind.in_(LANDMARKS))
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def newest_end(self) -> int:
        """Return the number of the newest end of a run; 0 where none has ended."""
        query = sa.select(sa.func.max(EVENTS.c.seq)).where(EVENTS.c.kind == "goal_finished")
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def unfinished(self) -> list[str]:
        """Return the goals that were submitted or resumed and have not finished since, oldest first."""
        return list(self.newest_runs())

    def newest_runs(self) -> dict[str, int]:
        """Return the number of the newest run of every unfinished goal; reads only what is new."""
        with self._unfinished.lock:
            self._look()
            return self._unfinished.revisions()

    def paused(self) -> frozenset[str]:
        """Return the unfinished goals that a person has paused; reads only what is new."""
        with self._unfinished.lock:
            self._look()
            return self._unfinished.paused()

    def _look(self) -> None:
        """Follow which goals are unfinished."""
        query = (
            sa.select(EVENTS.c.seq, EVENTS.c.goal, EVENTS.c.kind)
            .where(EVENTS.c.kind.in_(LANDMARKS), EVENTS.c.seq > self._unfinished.seq)
            .order_by(EVENTS.c.seq)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        self._unfinished.add((int(row.seq), str(row.goal), str(row.kind)) for row in rows)
