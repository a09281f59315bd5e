"""Opens the goals when they are first needed.

Importing the durable runtime takes half a second: a thread does it while the host starts.
"""

from __future__ import annotations

import importlib
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from atos_orchestrator.execution.database_health import Health
from atos_protocol.errors import UnreachableError
from atos_servers.host.services import Services

if TYPE_CHECKING:
    from atos_orchestrator.execution.goals import Goals

MODULE = "atos_orchestrator.execution.goals"


class LazyGoals:
    """Opens the one `Goals` of this process at its first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._opening = anyio.Lock()
        self._opened = anyio.Event()
        self._goals: Goals | None = None
        self._refused = Health()
        warm_up = threading.Thread(target=importlib.import_module, args=(MODULE,), daemon=True)
        warm_up.start()

    async def get(self) -> Goals:
        """Return the goals.

        Raises:
            UnreachableError: their database can't be opened.
        """
        async with self._opening:
            goals = self._goals
            if goals is None:
                module = await anyio.to_thread.run_sync(importlib.import_module, MODULE)
                services = self._services
                try:
                    goals = await module.open_goals(
                        services.settings, services.notify_worker, services.notifier
                    )
                except UnreachableError as error:
                    since = self._refused.since or time.time()
                    self._refused = Health("degraded", error.message, error.next_step, since)
                    raise
                self._goals = goals
                self._opened.set()
            return goals

    async def watch(self) -> None:
        """Watch the database once it has been opened, until cancelled."""
        await self._opened.wait()
        await (await self.get()).database.watch()

    def health(self) -> dict[str, Any]:
        """Return what is known of the database, for the host's status."""
        health = self._goals.database.health.view() if self._goals else self._refused
        return asdict(health)

    async def busy(self) -> bool:
        """Return whether any goal is unfinished."""
        return await (await self.get()).busy()
