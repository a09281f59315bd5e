"""The events table: append-only, in the same database as the workflows it describes.

Every view of a goal is a fold over it; there is no other record of progress. An event is written by the
step that causes it, under a key that is unique within its goal, so a step that runs twice (a killed
worker's step does) appends it once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.execution.unfinished_goals import LANDMARKS, UnfinishedGoals
from atos_orchestrator.time_spent import WORK_EVENTS, Work, work_of
from atos_protocol.goals import Event

_metadata = sa.MetaData()

EVENTS = sa.Table(
    "atos_events",
    _metadata,
    sa.Column(
        "seq",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("goal", sa.Text, nullable=False),
    sa.Column("task", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.UniqueConstraint("goal", "key", name="atos_events_once"),
    sa.Index("atos_events_of_goal", "goal", "seq"),
    sa.Index("atos_events_of_kind", "kind", "seq"),
    sqlite_autoincrement=True,
)

_APPEND_LOCK = 0x41544F53
"""Postgres assigns sequence numbers before commit: appends take turns, or a reader would skip one."""


class EventStore:
    """Appends and reads events; every call is one short transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._listeners: list[Callable[[str, int], None]] = []
        self._unfinished = UnfinishedGoals()

    def create(self) -> None:
        """Create the table if it is missing; several processes may do so at once.

        Called again after the database was replaced: what is remembered of the old one is forgotten.
        """
        with self._engine.begin() as connection:
            _take_turns(connection)
            _metadata.create_all(connection, checkfirst=True)
        with self._unfinished.lock:
            self._unfinished.forget()

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
        row = {
            "goal": goal,
            "task": task,
            "kind": kind,
            "at": time.time(),
            "data": json.dumps(data, separators=(",", ":")),
            "key": key,
        }
        _take_turns(connection)
        values = [sa.literal(value, EVENTS.c[name].type) for name, value in row.items()]
        exists = sa.exists().where(EVENTS.c.goal == goal, EVENTS.c.key == key)
        # INSERT .. SELECT .. WHERE NOT EXISTS is the same in both dialects; writers take turns.
        statement = EVENTS.insert().from_select(list(row), sa.select(*values).where(~exists))
        if not connection.execute(statement).rowcount:
            return 0
        newest = sa.select(EVENTS.c.seq).where(EVENTS.c.goal == goal, EVENTS.c.key == key)
        return int(connection.execute(newest).scalar_one())

    def announce(self, goal: str, seq: int) -> None:
        """Notify the listeners of an event that was appended with `append_with`."""
        for listener in self._listeners:
            listener(goal, seq)

    def read(self, goal: str, after: int = 0) -> list[Event]:
        """Return the goal's events with a number above `after`, in order."""
        query = sa.select(EVENTS).where(EVENTS.c.goal == goal, EVENTS.c.seq > after)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq)).all()
        return [_event(row) for row in rows]

    def work(self, goal: str) -> Work:
        """Return what a goal has used so far."""
        query = sa.select(EVENTS).where(EVENTS.c.goal == goal, EVENTS.c.kind.in_(WORK_EVENTS))
        with self._engine.connect() as connection:
            return work_of(_event(row) for row in connection.execute(query).all())

    def count(self, goal: str, kind: str) -> int:
        """Return how many events of a kind the goal has."""
        query = sa.select(sa.func.count()).where(EVENTS.c.goal == goal, EVENTS.c.kind == kind)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def goals_ahead(self, goal: str) -> int:
        """Return how many goals were submitted before this one and have neither begun nor ended."""
        later = EVENTS.alias()
        begun = sa.exists().where(
            later.c.goal == EVENTS.c.goal, later.c.kind.in_(("goal_started", "goal_finished"))
        )
        submitted = sa.select(EVENTS.c.seq).where(
            EVENTS.c.goal == goal, EVENTS.c.kind == "goal_submitted"
        )
        query = sa.select(sa.func.count()).where(
            EVENTS.c.kind == "goal_submitted",
            EVENTS.c.seq < submitted.scalar_subquery(),
            ~begun,
        )
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

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

    def unfinished(self) -> list[str]:
        """Return the goals that were submitted or resumed and have not finished since, oldest first."""
        return list(self.newest_runs())

    def newest_runs(self) -> dict[str, int]:
        """Return the number of the newest run of every unfinished goal; reads only what is new."""
        with self._unfinished.lock:
            query = (
                sa.select(EVENTS.c.seq, EVENTS.c.goal, EVENTS.c.kind)
                .where(EVENTS.c.kind.in_(LANDMARKS), EVENTS.c.seq > self._unfinished.seq)
                .order_by(EVENTS.c.seq)
            )
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            self._unfinished.add((int(row.seq), str(row.goal), str(row.kind)) for row in rows)
            return self._unfinished.revisions()


def _take_turns(connection: sa.Connection) -> None:
    """Let one transaction at a time continue; SQLite's write lock does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_APPEND_LOCK)))


def _event(row: sa.Row[Any]) -> Event:
    return Event(
        seq=int(row.seq),
        goal=row.goal,
        task=row.task or "",
        kind=row.kind,
        at=float(row.at),
        data=json.loads(row.data),
    )
