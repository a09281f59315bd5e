"""What the host hands to each of the five servers: nothing is global, nothing is imported sideways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from atos_protocol.settings import Settings
from atos_servers.host.event_notifier import EventNotifier

BusyCheck = Callable[[], Awaitable[bool]]
"""Tells whether work is under way that the host must stay up for."""


class BusyChecks:
    """What keeps the host up beside its connections, such as goals that run."""

    def __init__(self) -> None:
        self._checks: list[BusyCheck] = []

    def add(self, check: BusyCheck) -> None:
        """Have the host ask `check` before it ends for idleness."""
        self._checks.append(check)

    async def busy(self) -> bool:
        """Return True if any check says so."""
        for check in self._checks:
            if await check():
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
    """Rings for every event that the worker has written."""
    keep_up: BusyChecks = field(default_factory=BusyChecks)
    """Where a server says that it has work which must outlive its callers' connections."""
