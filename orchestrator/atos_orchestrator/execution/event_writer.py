"""Writes the events of all goals of this process, so that the event loop never waits for the database.

    put --> queue --> [ batch at its head ] --thread: one transaction--> committed: announced, waiters released
                        ^    |--transient error---> stays at the head; pause; again
                        |    `--any other error---> one event at a time; the one that is refused is left out
                        `----- what comes meanwhile is the next batch

* One writer, one transaction at a time, first in, first out: the order within a goal is the order of `put`.
* A transaction contains everything that waits (up to `MOST_AT_ONCE`), of whatever goals: the busier, the fewer
  commits an event costs.
* A step waits with `written` until the events of its goal are on disk, before its result is recorded. So a
  recorded step has its events. A process that is killed before repeats the step, whose events carry the
  same keys; one that was killed between commit and release finds them there, and nothing is told twice.
* Trouble of the database stays here: the events keep their place, and whoever waits goes on waiting, without
  repeating its work. Only when the patience of `step_errors` is over, or an event is refused for what it
  contains, does the error reach whoever waits for that goal.
* The queue is bounded by what steps tell before they end, for each of them waits at its end.
* At the end, `drain` waits for the queue to become empty, until its deadline. What is left then belongs to
  steps that are not recorded.

Everything but the transaction happens in the event loop, so there are no locks.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import anyio
import anyio.to_thread

from atos_orchestrator.execution.event_table import NewEvent
from atos_orchestrator.execution.step_errors import as_atos_error, class_of, patience
from atos_protocol.errors import AtosError

MOST_AT_ONCE = 256
"""Events of one transaction: some 100 kB, and some 10 ms in which nobody else writes."""
PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before the next try after a transient error; the last one repeats."""

log = logging.getLogger(__name__)

Write = Callable[[Sequence[NewEvent]], Sequence[int]]
"""Appends events in one transaction, in a thread; returns their numbers, 0 for a key that was there."""
Announce = Callable[[str, int], None]
"""Told goal and number of every event that is new, in the event loop."""


class EventQueue:
    """What is not written yet, in order. Every event has a place, which is counted from 1."""

    def __init__(self) -> None:
        self._waiting: deque[NewEvent] = deque()
        self._last: dict[str, int] = {}
        self.gone = 0
        """Place of the last event that has left: written, or refused."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: NewEvent) -> None:
        """Add one event at the end."""
        self._waiting.append(event)
        self._last[event.goal] = self.gone + len(self._waiting)

    def head(self, most: int) -> tuple[NewEvent, ...]:
        """Return the first events, which keep their places."""
        return tuple(islice(self._waiting, most))

    def drop(self, count: int) -> None:
        """Remove the first events."""
        for _ in range(count):
            event = self._waiting.popleft()
            self.gone += 1
            if self._last[event.goal] == self.gone:
                del self._last[event.goal]

    def last(self, goal: str) -> int:
        """Return the place of the goal's last event that waits; 0 where none does."""
        return self._last.get(goal, 0)

    @property
    def end(self) -> int:
        """Place of the last event of all."""
        return self.gone + len(self._waiting)


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody who waits until the event at a place has left the queue."""

    place: int
    released: anyio.Event = field(default_factory=anyio.Event)
    error: AtosError | None = None


class EventWriter:
    """The writer of one process; `run` must be running in the event loop that calls all the rest."""

    def __init__(
        self,
        write: Write,
        announce: Announce = lambda _goal, _number: None,
        *,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._write = write
        self._announce = announce
        self._pauses = pauses
        self._queue = EventQueue()
        self._waiters: list[_Waiter] = []
        self._refused: dict[str, AtosError] = {}
        self._alone = 0
        """How many events at the head are written one by one, because one of them was refused."""
        self._failures = 0
        self._failing_since = 0.0
        self._more = anyio.Event()
        # Its own thread: those of the rest of the process may all be waiting for the same database.
        self._thread = anyio.CapacityLimiter(1)

    def put(self, event: NewEvent) -> None:
        """Have an event written soon; never waits."""
        self._queue.put(event)
        self._more.set()

    async def written(self, goal: str) -> None:
        """Wait until every event of the goal that was put so far is on disk.

        Raises:
            AtosError: an event was refused, or the database has been away for longer than is waited for.
        """
        if place := self._queue.last(goal):
            await self._left(place)
        if (error := self._refused.pop(goal, None)) is not None:
            raise error

    async def drain(self, seconds: float) -> bool:
        """Wait until everything is on disk, for so long at most; return whether it is."""
        with anyio.move_on_after(seconds), suppress(AtosError):
            await self._left(self._queue.end)
        if left := len(self._queue):
            log.warning("%d events are not written; their steps will be repeated", left)
        return not left

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            if not self._queue:
                self._more = anyio.Event()
                await self._more.wait()
            await self._write_some()

    async def _write_some(self) -> None:
        batch = self._queue.head(1 if self._alone else MOST_AT_ONCE)
        try:
            numbers = await anyio.to_thread.run_sync(self._write, batch, limiter=self._thread)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the next batch must have its turn
            await self._failed(batch, as_atos_error(raised, "events"))
        else:
            self._wrote(batch, numbers)

    def _wrote(self, batch: Sequence[NewEvent], numbers: Sequence[int]) -> None:
        if self._failures:
            log.info("events are written again, after %d tries", self._failures)
        self._leave(batch)
        for event, number in zip(batch, numbers, strict=True):
            if number:
                self._announce(event.goal, number)

    async def _failed(self, batch: Sequence[NewEvent], error: AtosError) -> None:
        if class_of(error.code) == "transient":
            await self._wait_out(error)
        elif len(batch) > 1:
            self._alone = len(batch)
        else:
            log.error("an event is refused: %s %s: %s", batch[0].goal, batch[0].kind, error)
            self._refused[batch[0].goal] = error
            self._leave(batch)

    async def _wait_out(self, error: AtosError) -> None:
        """Pause; tell whoever waits when that has taken too long."""
        now = anyio.current_time()
        if not self._failures:
            self._failing_since = now
            log.warning("events wait: %s", error)
        pause = self._pauses[min(self._failures, len(self._pauses) - 1)]
        self._failures += 1
        if now - self._failing_since >= patience(error):
            self._release(self._queue.end, error)
        await anyio.sleep(pause)

    def _leave(self, batch: Sequence[NewEvent]) -> None:
        """Take what is settled out of the queue, and release who waits for it."""
        self._queue.drop(len(batch))
        self._alone = max(0, self._alone - len(batch))
        self._failures = 0
        self._release(self._queue.gone)

    def _release(self, place: int, error: AtosError | None = None) -> None:
        released = [waiter for waiter in self._waiters if waiter.place <= place]
        self._waiters = [waiter for waiter in self._waiters if waiter.place > place]
        for waiter in released:
            waiter.error = error
            waiter.released.set()

    async def _left(self, place: int) -> None:
        if place <= self._queue.gone:
            return
        waiter = _Waiter(place)
        self._waiters.append(waiter)
        try:
            await waiter.released.wait()
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if waiter.error is not None:
            raise waiter.error
