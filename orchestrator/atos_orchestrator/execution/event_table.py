"""The events table: its columns, how a row is added once per key, and in which order writers take turns.

A reader that goes on from the last number it saw must miss nothing, so numbers must become visible in their order. SQLite
has one writer at a time. Postgres gives out numbers before commit; there writers take turns by advisory locks:

* per goal, for every event: whoever reads one goal goes on from its last number
* and all together for `LANDMARKS`, of which a goal has two or so: whoever follows which goals are unfinished reads them
  across goals (`unfinished_goals`)

The common lock is taken first and those of goals in the order of their numbers, so that no two writers wait for
each other.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.execution.unfinished_goals import LANDMARKS
from atos_protocol.goals import Event

METADATA = sa.MetaData()

EVENTS = sa.Table(
    "atos_events",
    METADATA,
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

COMMON_LOCK = 0x41544F53
GOAL_LOCKS = 0x41544F54
"""First half of the key of a goal's lock; the second is a checksum of its id."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    goal: str
    task: str | None
    kind: str
    at: float
    """Epoch seconds at which it happened."""
    data: str
    """JSON."""
    key: str
    """Unique within the goal."""


def new_event(
    goal: str, kind: str, data: Mapping[str, Any], *, key: str, task: str | None = None
) -> NewEvent:
    """Return an event of this moment."""
    return NewEvent(goal, task, kind, time.time(), json.dumps(data, separators=(",", ":")), key)


def create_table(connection: sa.Connection) -> None:
    """Create the table if it is missing; several processes may do so at once."""
    take_turn(connection)
    METADATA.create_all(connection, checkfirst=True)


def take_turn(connection: sa.Connection) -> None:
    """Wait until nobody else changes what tables there are; until the end of the caller's transaction."""
    _lock(connection, common=True, goals=())


def insert(connection: sa.Connection, events: Iterable[NewEvent]) -> list[int]:
    """Add events in their order within the caller's transaction; return their numbers, 0 for a known key."""
    events = list(events)
    common = any(event.kind in LANDMARKS for event in events)
    _lock(connection, common=common, goals={event.goal for event in events})
    return [_number(connection.execute(_INSERT, _row(event)).scalar()) for event in events]


def event_of(row: sa.Row[Any]) -> Event:
    """Return a row of the table as an event."""
    return Event(
        seq=int(row.seq),
        goal=row.goal,
        task=row.task or "",
        kind=row.kind,
        at=float(row.at),
        data=json.loads(row.data),
    )


_NEW: Mapping[str, sa.BindParameter[Any]] = {
    name: sa.bindparam(f"new_{name}", type_=EVENTS.c[name].type)
    for name in ("goal", "task", "kind", "at", "data", "key")
}
_KNOWN = sa.exists().where(EVENTS.c.goal == _NEW["goal"], EVENTS.c.key == _NEW["key"])
# Not ON CONFLICT: it uses up a number for every event that is there, and a replay repeats all of a step's.
_INSERT = (
    EVENTS.insert()
    .from_select(list(_NEW), sa.select(*_NEW.values()).where(~_KNOWN))
    .returning(EVENTS.c.seq)
)


def _row(event: NewEvent) -> dict[str, Any]:
    return {f"new_{name}": getattr(event, name) for name in _NEW}


def _number(returned: Any) -> int:
    return 0 if returned is None else int(returned)


def _lock(connection: sa.Connection, *, common: bool, goals: Collection[str]) -> None:
    """Wait for this transaction's turn; SQLite's own write lock does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    if common:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(COMMON_LOCK)))
    for number in sorted({_checksum(goal) for goal in goals}):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GOAL_LOCKS, number)))


def _checksum(goal: str) -> int:
    """Return a number that fits a signed 32-bit integer."""
    return zlib.crc32(goal.encode()) - (1 << 31)
