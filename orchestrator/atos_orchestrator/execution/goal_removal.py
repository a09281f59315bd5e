"""Removing what is kept of a goal that has ended: its events, runs, private folder and log page.

    one transaction: still ended? -> events and runs deleted, a row in `atos_removals` instead
    folder below worktrees/ and page in logs/goals/ deleted
    the row deleted

From the transaction on nobody sees the goal any more. A process that is killed before it leaves the goal whole; one
that is killed after it leaves the row, and `finish` deletes the files later. A repository that was delivered is not
looked at: it lies elsewhere, and nothing here knows its path.

What could not be published is nowhere else, so a goal that has such work stays (`unpublished`).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from atos_orchestrator.execution.event_store import EVENTS
from atos_orchestrator.execution.run_records import ROW_BYTES, RunRecords, text_bytes
from atos_orchestrator.workspace.repository import UNPUBLISHED
from atos_protocol.settings import Settings

REMOVALS = sa.Table("atos_removals", sa.MetaData(), sa.Column("goal", sa.Text, primary_key=True))
"""Goals whose rows are gone and whose files may still be there."""

OPEN = frozenset({"queued", "running"})
_APPEND_LOCK = 0x41544F53
"""The one of `event_store`: nothing is appended to a goal while it is removed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoalEnd:
    """The end of a goal that nothing has followed since."""

    seq: int
    goal: str
    at: float
    """Epoch seconds."""
    data: str
    """Of the event, as JSON."""


@dataclass(frozen=True, slots=True)
class GoalRemoval:
    """Removes goals, one at a time; every call blocks."""

    settings: Settings
    runs: RunRecords

    @property
    def engine(self) -> sa.Engine:
        """Of the goals database."""
        return self.runs.engine

    def create(self) -> None:
        """Create the table if it is missing."""
        with self.engine.begin() as connection:
            _alone(connection)
            REMOVALS.create(connection, checkfirst=True)

    def ends(
        self, *, after: int = 0, before: float | None = None, goal: str = "", limit: int = 100
    ) -> list[GoalEnd]:
        """Return ends in the order of their numbers, of goals that have not gone on since.

        Args:
            after: only those with a higher number.
            before: only those before this moment (epoch seconds).
            goal: only this one's.
            limit: how many at most.
        """
        later = EVENTS.alias()
        went_on = sa.exists().where(
            later.c.goal == EVENTS.c.goal,
            later.c.seq > EVENTS.c.seq,
            later.c.kind.in_(("goal_resumed", "goal_finished")),
        )
        query = (
            sa.select(EVENTS.c.seq, EVENTS.c.goal, EVENTS.c.at, EVENTS.c.data)
            .where(EVENTS.c.kind == "goal_finished", EVENTS.c.seq > after, ~went_on)
            .order_by(EVENTS.c.seq)
            .limit(limit)
        )
        if before is not None:
            query = query.where(EVENTS.c.at < before)
        if goal:
            query = query.where(EVENTS.c.goal == goal)
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [GoalEnd(int(r.seq), str(r.goal), float(r.at), str(r.data)) for r in rows]

    def nth_newest(self, count: int) -> int:
        """Return the number of the end that has `count` - 1 newer ones; 0 where there are not so many."""
        query = sa.select(EVENTS.c.seq).where(EVENTS.c.kind == "goal_finished")
        newest = query.order_by(EVENTS.c.seq.desc()).offset(count - 1).limit(1)
        with self.engine.connect() as connection:
            return int(connection.execute(newest).scalar() or 0)

    def count_goals(self) -> int:
        """Return how many goals there are."""
        query = sa.select(sa.func.count()).where(EVENTS.c.kind == "goal_submitted")
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def is_known(self, goal: str) -> bool:
        """Tell whether there is a goal."""
        query = sa.select(EVENTS.c.seq).where(EVENTS.c.goal == goal).limit(1)
        with self.engine.connect() as connection:
            return connection.execute(query).first() is not None

    def unpublished(self, goal: str) -> bool:
        """Tell whether work of the goal is nowhere but in its private folder."""
        return any((folder / UNPUBLISHED).exists() for folder in self._folders(goal))

    def size(self, goal: str) -> int:
        """Return the bytes of everything that is kept of a goal."""
        with self.engine.connect() as connection:
            rows = self._row_bytes(connection, goal, self._runs_of(connection, goal))
        return rows + sum(map(_tree_bytes, self._files(goal)))

    def remove(self, end: GoalEnd) -> int | None:
        """Remove a goal, if that end is still its last event and its runs are over.

        Returns:
            The bytes that its records took; None where it has gone on, or its last run still cleans up.
        """
        goal = end.goal
        with self.engine.connect() as connection, connection.begin() as transaction:
            _alone(connection)
            # First, because only a write begins a transaction on SQLite: what is read below must hold.
            connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.goal == goal))
            connection.execute(sa.insert(REMOVALS).values(goal=goal))
            runs = self._runs_of(connection, goal)
            if OPEN & set(runs.values()) or not self._is_last(connection, end):
                transaction.rollback()
                return None
            size = self._row_bytes(connection, goal, runs)
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.goal == goal))
            self.runs.delete(connection, list(runs))
        return size + self._remove_files(goal)

    def finish(self) -> int:
        """Delete the files that removals which were interrupted left; return how many goals that were."""
        with self.engine.connect() as connection:
            left = [str(goal) for (goal,) in connection.execute(sa.select(REMOVALS.c.goal))]
        for goal in left:
            self._remove_files(goal)
        return len(left)

    def remove_runs(self, body: str, before: float, limit: int = 100) -> int:
        """Remove runs of a body that belong to no goal and ended before a moment; return how many."""
        with self.engine.begin() as connection:
            found = self.runs.ended_before(connection, body, before, limit)
            if found:
                self.runs.delete(connection, found)
        return len(found)

    def total(self) -> int:
        """Return the bytes of all rows; reads all of them."""
        with self.engine.connect() as connection:
            return self._events_bytes(connection, None) + self.runs.bytes(connection)

    def _runs_of(self, connection: sa.Connection, goal: str) -> dict[str, str]:
        query = sa.select(sa.func.count()).where(
            EVENTS.c.goal == goal, EVENTS.c.kind == "goal_resumed"
        )
        return self.runs.runs(connection, goal, int(connection.execute(query).scalar_one()) + 1)

    def _is_last(self, connection: sa.Connection, end: GoalEnd) -> bool:
        kinds = ("goal_submitted", "goal_resumed", "goal_finished")
        newest = sa.select(sa.func.max(EVENTS.c.seq)).where(
            EVENTS.c.goal == end.goal, EVENTS.c.kind.in_(kinds)
        )
        return connection.execute(newest).scalar_one() == end.seq

    def _row_bytes(self, connection: sa.Connection, goal: str, runs: Iterable[str]) -> int:
        return self._events_bytes(connection, goal) + self.runs.bytes(connection, list(runs))

    def _events_bytes(self, connection: sa.Connection, goal: str | None) -> int:
        row = text_bytes(EVENTS.c.data, connection.dialect.name) + ROW_BYTES
        query = sa.select(sa.func.coalesce(sa.func.sum(row), 0)).select_from(EVENTS)
        if goal is not None:
            query = query.where(EVENTS.c.goal == goal)
        return int(connection.execute(query).scalar_one())

    def _remove_files(self, goal: str) -> int:
        """Delete a removed goal's files, then forget the removal; return their bytes."""
        size = 0
        for place in self._files(goal):
            size += _tree_bytes(place)
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                with suppress(OSError):
                    place.unlink(missing_ok=True)
            if os.path.lexists(place):
                log.warning("%s of a removed goal can't be deleted; it is tried again", place)
                return size
        with self.engine.begin() as connection:
            connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.goal == goal))
        return size

    def _files(self, goal: str) -> Iterator[Path]:
        yield from (folder for folder in self._folders(goal) if os.path.lexists(folder))
        pages = self.settings.logs / "goals"
        if _is_name(goal):
            pages_of = (pages / f"{goal}.md", pages / f"{goal}.new")
            yield from (page for page in pages_of if os.path.lexists(page))

    def _folders(self, goal: str) -> Iterator[Path]:
        if _is_name(goal):
            yield self.settings.home / "worktrees" / goal


def _is_name(goal: str) -> bool:
    """Tell whether a goal's id is a plain file name: a path would lead elsewhere."""
    return goal not in {"", ".", ".."} and "/" not in goal and "\0" not in goal


def _alone(connection: sa.Connection) -> None:
    """Let nobody append meanwhile; SQLite's write lock does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_APPEND_LOCK)))


def _tree_bytes(place: Path) -> int:
    """Return the bytes of a file, or of everything in a folder; what vanishes meanwhile counts nothing."""
    if not place.is_dir() or place.is_symlink():
        return _file_bytes(place)
    return sum(
        _file_bytes(Path(folder) / name) for folder, _, names in os.walk(place) for name in names
    )


def _file_bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0
