"""Accepting a run of a goal: its event and its queued run in one transaction, both or neither."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.dbos_client import GOALS, DbosClient
from atos_orchestrator.execution.event_store import EVENTS, EventStore
from atos_orchestrator.execution.goal_input import GOAL, GoalInput
from atos_orchestrator.execution.goal_queue import place_of


@dataclass(frozen=True, slots=True)
class GoalAcceptance:
    """Accepts goals and their resumption; its calls block for one short transaction."""

    engine: sa.Engine
    events: EventStore
    client: DbosClient

    def accept(self, goal_input: GoalInput, kind: str, data: Mapping[str, Any], key: str) -> bool:
        """Append an event and queue the run; return False where the event was there already, or the goal is gone."""
        point("host.submit.before")
        goal = goal_input.goal
        with self.engine.connect() as connection, connection.begin() as transaction:
            seq = self.events.append_with(connection, goal, kind, data, key=key)
            if seq and kind != "goal_submitted" and not _is_known(connection, goal):
                transaction.rollback()  # it was removed meanwhile (`goal_removal`)
                seq = 0
            if seq:
                argument = encode(goal_input)
                place = place_of(time.time(), goal_input.priority)
                self.client.submit_within(
                    connection, GOAL, goal_input.run, argument, queue=GOALS, place=place
                )
        if seq:
            self.events.announce(goal, seq)
        point("host.submit.after")
        return bool(seq)


def _is_known(connection: sa.Connection, goal: str) -> bool:
    query = sa.select(EVENTS.c.seq).where(EVENTS.c.goal == goal, EVENTS.c.kind == "goal_submitted")
    return connection.execute(query.limit(1)).first() is not None
