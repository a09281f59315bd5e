"""The last messages of a server's HTTP sessions, so that a stream that broke or was closed can be taken up again."""

from __future__ import annotations

import itertools
from collections import deque

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.types import JSONRPCMessage

KEPT = 256
"""Messages of all sessions of one server; a reply to a model has 32 KB at most."""


class RecentEvents(EventStore):
    """The last messages, in order, under numbers that are never used again.

    Args:
        kept: how many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._events = deque[tuple[int, StreamId, JSONRPCMessage | None]](maxlen=kept)
        self._numbers = itertools.count(1)

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep a message, or None for the mark at a stream's beginning; return its number."""
        number = next(self._numbers)
        self._events.append((number, stream_id, message))
        return str(number)

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        """Send what came later on the stream of an event; return the stream, or None if it is not known any more."""
        kept = list(self._events)
        stream = next((each[1] for each in kept if str(each[0]) == last_event_id), None)
        if stream is None:
            return None
        for number, where, message in kept:
            if where == stream and number > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream
