"""What the durable runtime's tables keep of a goal's runs: which there are, how large they are, their removal.

A run's children carry its id (`parent_workflow_id`). DBOS's own `delete_workflows` opens a transaction of its own;
here everything happens in the caller's, together with the goal's events. The tables are pinned by
tests/orchestrator/execution/test_goal_removal.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.execution.dbos_client import REVISION, STATES, DbosClient

ROW_BYTES = 120
"""What a row takes beside its texts: keys, numbers, and its entries in indexes."""

PAYLOADS = (
    ("workflow_input", ("inputs",)),
    ("workflow_output", ("output", "error")),
    ("operation_outputs", ("output", "error")),
    ("workflow_status", ("inputs", "output", "error")),
)
"""Tables with rows of a run, in the order in which they are removed -> columns with texts."""


def text_bytes(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[int]:
    """Return the bytes that a text column takes; 0 for NULL."""
    if dialect == "postgresql":
        return sa.func.coalesce(sa.func.octet_length(column), 0)
    return sa.func.coalesce(sa.func.length(sa.cast(column, sa.LargeBinary)), 0)


@dataclass(frozen=True, slots=True)
class RunRecords:
    """Reads and removes runs within the caller's transaction."""

    engine: sa.Engine
    """Of the connections that the methods are given."""
    tables: Any
    """DBOS's own."""

    @classmethod
    def of(cls, client: DbosClient) -> RunRecords:
        """Return those of a client's database."""
        return cls(*client.tables)

    def runs(self, connection: sa.Connection, goal: str, revisions: int) -> dict[str, str]:
        """Return the runs of a goal and of its tasks, with their states."""
        table = self.tables.workflow_status
        own = [goal, *(f"{goal}{REVISION}{n}" for n in range(2, revisions + 1))]
        ours = sa.or_(table.c.workflow_uuid.in_(own), table.c.parent_workflow_id.in_(own))
        rows = connection.execute(sa.select(table.c.workflow_uuid, table.c.status).where(ours))
        return {str(run): STATES[str(status)] for run, status in rows}

    def ended_before(
        self, connection: sa.Connection, body: str, moment: float, limit: int
    ) -> list[str]:
        """Return runs of a body that ended before a moment (epoch seconds)."""
        table = self.tables.workflow_status
        query = sa.select(table.c.workflow_uuid).where(
            table.c.name == body, table.c.completed_at < int(moment * 1000)
        )
        return [str(run) for (run,) in connection.execute(query.limit(limit))]

    def bytes(self, connection: sa.Connection, runs: Sequence[str] | None = None) -> int:
        """Return what runs take; None: all runs."""
        total = 0
        for name, columns in PAYLOADS:
            table = getattr(self.tables, name)
            sizes = [text_bytes(table.c[column], connection.dialect.name) for column in columns]
            row: sa.ColumnElement[int] = sum(sizes, sa.literal(ROW_BYTES))
            query = sa.select(sa.func.coalesce(sa.func.sum(row), 0)).select_from(table)
            if runs is not None:
                query = query.where(table.c.workflow_uuid.in_(runs))
            total += int(connection.execute(query).scalar_one())
        return total

    def delete(self, connection: sa.Connection, runs: Sequence[str]) -> None:
        """Remove runs; what else belongs to them goes with their status (foreign keys)."""
        for name, _columns in PAYLOADS:
            table = getattr(self.tables, name)
            connection.execute(sa.delete(table).where(table.c.workflow_uuid.in_(runs)))
