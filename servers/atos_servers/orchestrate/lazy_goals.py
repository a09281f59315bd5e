"""Opens the goals when they are first needed.

Importing the durable runtime takes half a second: a thread does it while the host starts.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from atos_servers.host.services import Services

if TYPE_CHECKING:
    from atos_orchestrator.execution.goals import Goals

MODULE = "atos_orchestrator.execution.goals"


class LazyGoals:
    """Opens the one `Goals` of this process at its first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._opening = anyio.Lock()
        self._goals: Goals | None = None
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
                goals = await module.open_goals(
                    services.settings, services.notify_worker, services.notifier
                )
                self._goals = goals
            return goals

    async def busy(self) -> bool:
        """Return whether any goal is unfinished."""
        return await (await self.get()).busy()
