"""Who may hold a connection of an HTTP server: a deadline for each request's headers, and a limit on connections.

    connected ----headers came----> busy --answered--> at rest (uvicorn's keep-alive) --first byte--> waiting
    waiting (connected, or part of the headers) --deadline--> closed

A connection that is beyond the limit takes the place of the one that has waited longest for its headers, so
callers who say nothing can't keep out those who do; where none waits, the newcomer is closed.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""How long a request's headers may take to come, from the connection or from their first byte."""

logger = logging.getLogger(__name__)


class Timer(Protocol):
    """What the event loop returns for a call later on."""

    def cancel(self) -> None:
        """Do not make the call."""
        ...


class Admission:
    """The connections of one server.

    Args:
        capacity: how many it may hold.
        header_seconds: how long the headers of a request may take.
    """

    def __init__(self, capacity: int, header_seconds: float = HEADER_SECONDS) -> None:
        self.capacity = capacity
        self.header_seconds = header_seconds
        self._open: set[LimitedProtocol] = set()
        self._waiting: dict[LimitedProtocol, None] = {}

    @property
    def is_full(self) -> bool:
        """Whether the next caller will have to take another one's place."""
        return len(self._open) >= self.capacity

    def enter(self, connection: LimitedProtocol) -> None:
        """Count a new connection; where there is no room, one that waits is closed for it."""
        self._open.add(connection)
        if len(self._open) > self.capacity:
            longest = next(iter(self._waiting), connection)
            logger.warning("a caller was refused: %d connections are open", self.capacity)
            self.leave(longest)
            longest.close_now()

    def waits(self, connection: LimitedProtocol) -> None:
        """Note that the headers of its next request have not come yet."""
        if connection in self._open:
            self._waiting[connection] = None

    def came(self, connection: LimitedProtocol) -> None:
        """Note that they have."""
        self._waiting.pop(connection, None)

    def leave(self, connection: LimitedProtocol) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)


class LimitedProtocol(H11Protocol):
    """uvicorn's connection, under an `Admission`."""

    def __init__(self, admission: Admission, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._admission = admission
        self._deadline: Timer | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for headers, if there is room."""
        super().connection_made(transport)
        self._admission.enter(self)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and see whether it completed a request's headers."""
        before: Any = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._end_wait()
        elif self._deadline is None and self.conn.their_state is h11.IDLE:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        super().connection_lost(exc)
        self._end_wait()
        self._admission.leave(self)

    def close_now(self) -> None:
        """Close the connection without another word."""
        self._end_wait()
        self.transport.abort()

    def _wait(self) -> None:
        if not self.transport.is_closing():
            self._admission.waits(self)
            seconds = self._admission.header_seconds
            self._deadline = self.loop.call_later(seconds, self.close_now)

    def _end_wait(self) -> None:
        self._admission.came(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
