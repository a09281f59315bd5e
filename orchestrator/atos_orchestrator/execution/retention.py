"""How long the records of ended goals are kept, by age and by size, and their removal on request.

    worker starts -> removals that were interrupted are finished
    soon, then once an hour -> goals that ended more than `keep_days` ago are removed
                            -> and the oldest, while all records take more than `keep_bytes`
                            -> the space is given back (`database_space`)

By itself it removes neither goals that need help nor the newest `NEWEST` ends, so a clock that is years ahead for a
moment leaves something, and `latest` goes on working. A request by a person has neither limit, except that goals that need
help must be named. Unfinished goals, and those whose work is nowhere else, are never removed.

Everything is done in slices of `SLICE_SECONDS`: in between, goals at work get their turn at the database.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.to_thread

from atos_orchestrator.execution.database_space import give_back, used_bytes
from atos_orchestrator.execution.goal_input import PLAN
from atos_orchestrator.execution.goal_removal import GoalEnd, GoalRemoval
from atos_protocol.errors import ConflictError, NotFoundError
from atos_protocol.records import DAY, CleanReport, CleanRequest, RecordsKept
from atos_protocol.settings import Settings

FIRST_SECONDS = 15.0
"""After the start, when whoever started the worker has been served."""
LOOK_SECONDS = 60.0
EVERY_SECONDS = 3600.0
SLICE_SECONDS = 2.0
"""How long one answer to a request may work, and how long a slice of the automatic removal may."""
PAUSE_SECONDS = 0.2
NEWEST = 20
"""So many of the newest ends stay whatever the limits say."""
PAGE = 100
NEEDS_HELP = "needs_help"

log = logging.getLogger(__name__)

Clock = Callable[[], float]


@dataclass(slots=True)
class Retention:
    """Keeps the limits of one database; one per worker.

    Args:
        settings: the limits, and where files are.
        removal: removes one goal.
        unfinished: returns the goals that are at work.
        tell: is told what records take, whenever that may have changed.
        clock: epoch seconds.
    """

    settings: Settings
    removal: GoalRemoval
    unfinished: Callable[[], Collection[str]]
    tell: Callable[[RecordsKept], None] = lambda _kept: None
    clock: Clock = time.time
    _changed: bool = True

    def note_activity(self) -> None:
        """Count again soon, because something has happened to some goal."""
        self._changed = True

    async def finish(self) -> None:
        """Finish removals that were interrupted.

        Raises:
            UnreachableError: the database is away.
        """
        await anyio.to_thread.run_sync(self.removal.finish)

    async def run(self) -> None:
        """Keep the limits until cancelled.

        Raises:
            UnreachableError: the database is away.
        """
        due = anyio.current_time() + FIRST_SECONDS
        while True:
            if anyio.current_time() >= due:
                await self.keep_limits()
                due = anyio.current_time() + EVERY_SECONDS
            if self._changed:
                self._changed = False
                self.tell(await anyio.to_thread.run_sync(self.kept))
            await anyio.sleep(min(LOOK_SECONDS, max(0.0, due - anyio.current_time())))

    async def keep_limits(self) -> CleanReport:
        """Remove what is over a limit; return what that was."""
        await anyio.to_thread.run_sync(self.removal.finish)
        whole, part = CleanReport(), CleanReport(next=1)
        if self.settings.keep_days:
            request = CleanRequest(older_than=self.settings.keep_days * DAY)
            while part.next:
                part = await anyio.to_thread.run_sync(self._by_age, request, NEWEST)
                whole, request = whole.plus(part), replace(request, after=part.next)
                await anyio.sleep(PAUSE_SECONDS)
        if self.settings.keep_bytes:
            whole = whole.plus(await self._by_size())
        if whole.goals:
            log.info("removed the records of %d goals, %d bytes", whole.goals, whole.bytes)
            await anyio.to_thread.run_sync(self.give_back)
        return whole

    def clean(self, request: CleanRequest) -> CleanReport:
        """Carry out a person's request, for as long as a slice lasts.

        Raises:
            NotFoundError: there is no such goal.
            ConflictError: it has not ended, or its work is nowhere else.
        """
        if request.goal:
            report = self._one(request)
        else:
            self.removal.finish()
            report = self._by_age(request)
        if report.goals and not request.dry_run and not report.next:
            self.give_back()
        return report

    def kept(self) -> RecordsKept:
        """Return what the records of all goals take."""
        return RecordsKept(self.removal.count_goals(), used_bytes(self.removal.engine))

    def give_back(self) -> None:
        """Return the space of what was removed to the system, where that is possible."""
        give_back(self.removal.engine, quiet=not self.unfinished())

    def _by_age(self, request: CleanRequest, newest: int = 0) -> CleanReport:
        """Go through the ends that are old enough, from `request.after` on, for as long as a slice lasts."""
        before = self.clock() - request.older_than
        stop, report = time.monotonic() + SLICE_SECONDS, CleanReport()
        spared = self._newest(newest)
        for end in self._ends(request.after, before):
            report = replace(report, next=end.seq)
            if spared and end.seq >= spared:
                break
            report = self._removed(end, report, dry_run=request.dry_run)
            if time.monotonic() >= stop:
                return report
        if not request.dry_run:
            self.removal.remove_runs(PLAN, before)
        return replace(report, next=0)

    def _ends(self, after: int, before: float | None) -> Iterator[GoalEnd]:
        while page := self.removal.ends(after=after, before=before, limit=PAGE):
            yield from page
            after = page[-1].seq

    def _removed(self, end: GoalEnd, report: CleanReport, *, dry_run: bool) -> CleanReport:
        """Remove a goal, unless it is one that stays; count it."""
        if state_of(end) == NEEDS_HELP:
            return replace(report, need_help=report.need_help + 1)
        if self.removal.unpublished(end.goal):
            return replace(report, unpublished=report.unpublished + 1)
        size = self.removal.size(end.goal) if dry_run else self.removal.remove(end)
        if size is None:
            return report
        return replace(report, goals=report.goals + 1, bytes=report.bytes + size)

    async def _by_size(self) -> CleanReport:
        """Remove the oldest ends while everything together is over the limit."""
        most, report = self.settings.keep_bytes, CleanReport()
        engine = self.removal.engine
        # Two looks, because the second one reads everything, and the first counts what was only just deleted.
        if await anyio.to_thread.run_sync(used_bytes, engine) <= most:
            return report
        while (over := await anyio.to_thread.run_sync(self.removal.total) - most) > 0:
            part = await self._oldest(over)
            report = report.plus(part)
            if not part.goals:
                break
        return report

    async def _oldest(self, over: int) -> CleanReport:
        """Remove the oldest ends until so many bytes are gone, or only what stays is left."""
        spared, report = await anyio.to_thread.run_sync(self._newest, NEWEST), CleanReport()
        for end in await anyio.to_thread.run_sync(lambda: list(self._ends(0, None))):
            if end.seq >= spared or report.bytes >= over:
                break
            report = await anyio.to_thread.run_sync(
                lambda end=end, report=report: self._removed(end, report, dry_run=False)
            )
        return report

    def _newest(self, count: int) -> int:
        """Return the number of the end from which on everything stays; 0: nothing is spared."""
        if not count:
            return 0
        return self.removal.nth_newest(count) or 1

    def _one(self, request: CleanRequest) -> CleanReport:
        """Remove the one goal that a person has named."""
        goal = request.goal
        ends = self.removal.ends(goal=goal)
        if not ends:
            raise self._cannot(goal)
        if self.removal.unpublished(goal):
            message = f"goal {goal} has work that is nowhere else: it could not be published"
            raise ConflictError(message, next_step=f"Have it published: atos-client retry {goal}")
        size = self.removal.size(goal) if request.dry_run else self.removal.remove(ends[-1])
        if size is None:
            message = f"the last run of goal {goal} still cleans up"
            raise ConflictError(message, next_step="Try again in a few seconds.")
        return CleanReport(goals=1, bytes=size)

    def _cannot(self, goal: str) -> NotFoundError | ConflictError:
        if not self.removal.is_known(goal):
            message = f"there is no goal {goal[:80]!r}"
            return NotFoundError(message, next_step="See `atos-client status`.")
        message = f"goal {goal} has not ended"
        return ConflictError(message, next_step=f"Cancel it first: atos-client cancel {goal}")


def state_of(end: GoalEnd) -> str:
    """Return how a goal ended."""
    data: Any = json.loads(end.data)
    return str(data.get("state"))
