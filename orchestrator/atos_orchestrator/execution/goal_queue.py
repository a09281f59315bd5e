"""The order in which goals begin, and when a queued one probably will.

A goal's place is the moment of its acceptance, moved by its priority:

    high    counts as accepted an hour earlier
    normal  as it is
    low     counts as accepted an hour later

So priority goes before age, and age wins in the end: a low goal that has waited two hours begins before a high one that comes now.
Nobody starves, and a place, once given, is never computed again. It is the priority of the goal's run in the
runtime's queue, which takes the lowest number first.

The estimate rests on how long the last goals took; where few have ended, nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.goal_input import GOAL
from atos_protocol.goals import Priority
from atos_protocol.settings import Settings

EPOCH = 1_704_067_200
"""2024-01-01: places are seconds since then, because the runtime's numbers end at 2^31."""
HIGHEST = 2**31 - 1
LEAD: Mapping[Priority, int] = {"high": 3600, "normal": 0, "low": -3600}
"""Seconds by which a goal counts as accepted earlier."""
RECENT = 10
FEWEST = 3
"""So many ended goals an estimate needs."""


def place_of(accepted_at: float, priority: Priority) -> int:
    """Return a goal's place in the queue; the lowest begins first.

    Args:
        accepted_at: epoch seconds.
        priority: of the goal.
    """
    return max(1, min(HIGHEST, int(accepted_at) - EPOCH - LEAD[priority]))


def goals_at_once(settings: Settings) -> int:
    """Return how many goals are worked on at once: where nobody says, the cores, and two at least.

    A goal is either at a model, which serves one after the other, or in the sandbox, which has as many
    places as there are cores. More goals at once end no sooner together, and the first ones later.
    """
    return settings.goals_at_once or max(2, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Where a queued goal stands."""

    ahead: int = 0
    typical_s: float = 0.0
    """Seconds that one of the last goals took; 0 where too few have ended."""
    starts_in_s: float = 0.0
    """Seconds until it probably begins; 0 where that is not known."""


def waiting(ahead: int, took: Sequence[float], at_once: int) -> Waiting:
    """Return where a goal stands that has so many before it, given how long the last goals took.

    Those at work are half done on average, so half a goal is added to those ahead.
    """
    if len(took) < FEWEST:
        return Waiting(ahead)
    typical = sorted(took)[len(took) // 2]
    return Waiting(ahead, round(typical, 1), round((ahead + 0.5) * typical / at_once, 1))


@dataclass(frozen=True, slots=True)
class GoalQueue:
    """Reads the queue of goals; every call blocks for two short queries."""

    engine: sa.Engine
    tables: Any
    """The runtime's."""
    at_once: int

    def waiting(self, run: str) -> Waiting:
        """Return where a run stands; one that is not queued has nobody ahead."""
        with self.engine.connect() as connection:
            ahead = self._ahead(connection, run)
            return (
                Waiting() if ahead is None else waiting(ahead, self._took(connection), self.at_once)
            )

    def _ahead(self, connection: sa.Connection, run: str) -> int | None:
        table = self.tables.workflow_status
        queued = (table.c.queue_name == GOALS, table.c.status == "ENQUEUED")
        order = [table.c.priority, table.c.created_at]
        if connection.dialect.name == "sqlite":  # the runtime's clock ticks in seconds there
            order.append(sa.literal_column("workflow_status.rowid", sa.Integer))
        own = sa.select(*order).select_from(table).where(table.c.workflow_uuid == run, *queued)
        mine = connection.execute(own).first()
        if mine is None:
            return None
        before = sa.tuple_(*order) < sa.tuple_(*map(sa.literal, mine))
        count = sa.select(sa.func.count()).select_from(table).where(before, *queued)
        return int(connection.execute(count).scalar_one())

    def _took(self, connection: sa.Connection) -> list[float]:
        """Return how long the last goals were at work, in seconds."""
        table = self.tables.workflow_status
        query = (
            sa.select(table.c.started_at_epoch_ms, table.c.completed_at)
            .where(
                table.c.completed_at.is_not(None),
                table.c.started_at_epoch_ms.is_not(None),
                table.c.name == GOAL,
                table.c.status == "SUCCESS",
            )
            .order_by(table.c.completed_at.desc())
            .limit(RECENT)
        )
        return [(ended - began) / 1000 for began, ended in connection.execute(query)]
