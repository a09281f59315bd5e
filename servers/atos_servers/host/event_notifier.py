"""The notifier that saves waiters from polling the events table.

The worker tells the host of every event it has written, as goal and sequence number; the host rings
the notifier, and whoever waits for news of that goal looks into the database. A ring carries no data
and may be lost (the worker may be another machine's), so a waiter still looks once in a while.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio

REMEMBERED = 4096
"""Goals whose newest sequence number is kept; a forgotten one costs its waiter one look."""


class EventNotifier:
    """Wakes those who wait for a goal's next event."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._waiting: dict[str, anyio.Event] = {}

    def ring(self, goal: str, seq: int) -> None:
        """Tell that `goal` has an event numbered `seq`."""
        self._newest[goal] = max(seq, self._newest.pop(goal, 0))
        while len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)
        if event := self._waiting.pop(goal, None):
            event.set()

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        """Wait until `goal` has an event later than `after_seq`.

        Args:
            goal: the goal's id.
            after_seq: the last sequence number that the caller has seen.
            seconds: how long to wait; the caller looks for itself afterwards.

        Returns:
            True if the notifier rang for such an event, False if the time passed first.
        """
        with anyio.move_on_after(seconds):
            while self._newest.get(goal, 0) <= after_seq:
                await self._waiting.setdefault(goal, anyio.Event()).wait()
            return True
        return False
