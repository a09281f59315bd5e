"""The queue for the sandbox: so many runs at once, first come first served, and no turn is lost by asking again.

A call can't wait longer than its host does. One whose turn has not come by then gets a *ticket*: its place in
the queue, which it finds again by the next call that carries the ticket.

    arrive -> waiting (a call stands by) --turn--> running -> done
                |  ^ the next call          |
                v  |                        +-- the call is cancelled: the place is free
              absent (no call stands by) --KEPT_SECONDS--> forgotten

Whoever is absent when its turn comes is passed over and keeps its position, so a place is never held for
nobody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from atos_protocol.errors import BusyError

KEPT_SECONDS = 120.0
"""How long a ticket is good for without a call."""


@dataclass(slots=True)
class _Waiting:
    """One position in the queue."""

    turn: anyio.Event | None = None
    """Set when the turn has come; None while no call stands by."""
    left_at: float = 0.0
    """When the last call gave up, in monotonic seconds."""


class Places:
    """Admits `total` runs at once, in the order in which they first asked."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._running = 0
        self._queue: dict[str, _Waiting] = {}

    @asynccontextmanager
    async def turn(self, seconds: float, ticket: str = "") -> AsyncGenerator[None]:
        """Wait for a turn, at most this long, and hold the place until the block ends.

        Args:
            seconds: how long to wait.
            ticket: of an earlier call that was refused; an unknown one goes to the end of the queue.

        Raises:
            BusyError: the turn has not come; `data` has the `ticket`, and how many are `ahead`.
        """
        await self._admitted(seconds, ticket)
        try:
            yield
        finally:
            self._running -= 1
            self._admit()

    async def _admitted(self, seconds: float, ticket: str) -> None:
        known = self._queue.get(ticket)
        if known is None or known.turn is not None:
            ticket = secrets.token_hex(8)
            known = self._queue[ticket] = _Waiting()
        known.turn = turn = anyio.Event()
        self._admit()
        try:
            with anyio.move_on_after(seconds):
                await turn.wait()
        except BaseException:
            self._withdraw(ticket, turn)
            raise
        if not turn.is_set():
            known.turn, known.left_at = None, self._clock()
            raise self._busy(ticket)

    def _withdraw(self, ticket: str, turn: anyio.Event) -> None:
        """Undo the wait of a call that was cancelled, perhaps just as its turn had come."""
        self._queue.pop(ticket, None)
        if turn.is_set():
            self._running -= 1
            self._admit()

    def _admit(self) -> None:
        """Give the free places to whoever stands by, oldest first."""
        oldest = self._clock() - KEPT_SECONDS
        for ticket, waiting in list(self._queue.items()):
            if waiting.turn is None:
                if waiting.left_at < oldest:
                    del self._queue[ticket]
            elif self._running < self._total:
                self._running += 1
                del self._queue[ticket]
                waiting.turn.set()

    def _busy(self, ticket: str) -> BusyError:
        ahead = list(self._queue).index(ticket)
        message = f"{self._running} runs are going and {ahead} wait before this one"
        return BusyError(
            message,
            next_step=f"Call again with ticket={ticket!r}: it keeps your place in the queue.",
            data={"waits_for": "a sandbox", "ticket": ticket, "ahead": ahead},
        )
