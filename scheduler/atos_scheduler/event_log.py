"""The latest events of the scheduler, numbered, for clients that follow them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import anyio

KEPT = 1000
"""Events remembered; a reader that lags further behind gets a `gap` event."""


class EventLog:
    """A bounded log of events. Each is `{"seq", "at", "kind", ...}`, `seq` counting from 1."""

    def __init__(self, kept: int = KEPT) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=kept)
        self._seq = 0
        self._news = anyio.Event()
        self._closed = False

    def add(self, kind: str, **data: Any) -> None:
        """Append an event and wake its readers."""
        self._seq += 1
        self._events.append({"seq": self._seq, "at": time.time(), "kind": kind, **data})
        self._news.set()
        self._news = anyio.Event()

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Return the events after `seq`, preceded by one of kind `gap` if some are lost."""
        found = [event for event in self._events if event["seq"] > seq]
        oldest = self._events[0]["seq"] if self._events else self._seq + 1
        if seq + 1 < oldest:
            gap = {"seq": oldest - 1, "at": time.time(), "kind": "gap", "lost": oldest - 1 - seq}
            return [gap, *found]
        return found

    async def follow(self, seq: int) -> AsyncGenerator[dict[str, Any]]:
        """Yield events after `seq` as they happen, until the log is closed."""
        while True:
            for event in self.since(seq):
                seq = event["seq"]
                yield event
            if self._closed:
                return
            await self._news.wait()

    def close(self) -> None:
        """End every `follow`."""
        self._closed = True
        self._news.set()
