"""What the host passes to each of the five servers: nothing is global, servers don't import each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastmcp import FastMCP
from fastmcp.server.extensions import ServerExtension
from starlette.types import ASGIApp

from atos_daemon.idle_shutdown import BusyCheck
from atos_protocol.settings import Settings

REMEMBERED = 4096
"""Goals whose newest sequence number is kept; a forgotten one costs its waiter one query."""


class EventNotifier:
    """Wakes those who wait for a goal's next event, so that they need not poll the events table.

    The worker reports every event it has written, as goal and sequence number. A notification
    carries no data and may be lost (the worker may be on another machine), so waiters still query
    the database now and then.
    """

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._waiting: dict[str, anyio.Event] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at every event, whichever goal it is of; it must not wait."""
        self._listeners.append(listener)

    def notify(self, goal: str, seq: int) -> None:
        """Wake those who wait for an event of `goal`; `seq` is its newest one."""
        self._newest[goal] = max(seq, self._newest.pop(goal, 0))
        while len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)
        if event := self._waiting.pop(goal, None):
            event.set()
        for listener in self._listeners:
            listener()

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        """Wait until `goal` has an event later than `after_seq`.

        Args:
            goal: the goal's id.
            after_seq: the last sequence number that the caller has seen.
            seconds: how long to wait; the caller queries the database afterwards.

        Returns:
            True if such an event was reported, False if the time passed first.
        """
        with anyio.move_on_after(seconds):
            while self._newest.get(goal, 0) <= after_seq:
                await self._waiting.setdefault(goal, anyio.Event()).wait()
            return True
        return False


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one host process."""

    settings: Settings
    notify_worker: Callable[[dict[str, Any]], Awaitable[None]]
    """Send one JSON object to the worker's control socket: `{"op": "wake"}` after a goal was
    enqueued, `{"op": "cancel", "goal": ID}` to end one at once. Without a worker it does nothing:
    the worker finds its work in the database when it starts."""
    notifier: EventNotifier = field(default_factory=EventNotifier)
    """Notified of every event that the worker has written."""
    busy_checks: list[BusyCheck] = field(default_factory=list[BusyCheck])
    """Where a server, while it is built, adds a check for work that must outlive its callers."""
    background: list[Callable[[], Awaitable[None]]] = field(
        default_factory=list[Callable[[], Awaitable[None]]]
    )
    """Where a server, while it is built, adds what must run as long as the host does."""
    routes: dict[str, ASGIApp] = field(default_factory=dict[str, ASGIApp])
    """Where it adds what it answers over HTTP beside MCP, by the beginning of the path (`/goals/`)."""
    entries: dict[str, FastMCP] = field(default_factory=dict[str, FastMCP])
    """Where it adds another server over the same state, by name: for clients that need other tools."""
    extensions: list[Callable[[], ServerExtension]] = field(
        default_factory=list[Callable[[], ServerExtension]]
    )
    """Where it adds what makes an extension of the protocol that `all` has as well."""
    reports: dict[str, Callable[[], dict[str, Any]]] = field(
        default_factory=dict[str, Callable[[], dict[str, Any]]]
    )
    """Where it adds a part of the host's status, by name."""
