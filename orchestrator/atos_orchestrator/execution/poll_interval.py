"""How often the worker polls its queues: often for a moment after something happened, else seldom.

Only what happens to a goal puts work into a queue. A poll costs some 4 ms of a core, and a model on the
CPU writes a token only as fast as its slowest thread gets a core: polled all the time at the short interval,
two queues took 40 % of a core.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread

from atos_orchestrator.execution.dbos_client import IDLE_POLL_SECONDS, POLL_SECONDS

IDLE_AFTER_SECONDS = 2.0


class PollInterval:
    """Sets the poll interval; `set_seconds` is run in a thread."""

    def __init__(
        self, set_seconds: Callable[[float], None], *, idle_after: float = IDLE_AFTER_SECONDS
    ) -> None:
        self._set_seconds = set_seconds
        self._idle_after = idle_after
        self._activity = anyio.Event()

    def note_activity(self) -> None:
        """Poll often, because there may be work."""
        self._activity.set()

    async def run(self) -> None:
        """Adapt the interval until cancelled."""
        while True:
            await anyio.to_thread.run_sync(self._set_seconds, POLL_SECONDS)
            await self._until_idle()
            await anyio.to_thread.run_sync(self._set_seconds, IDLE_POLL_SECONDS)
            await self._activity.wait()

    async def _until_idle(self) -> None:
        busy = True
        while busy:
            self._activity = anyio.Event()
            await anyio.sleep(self._idle_after)
            busy = self._activity.is_set()
