"""Lets the worker rest while there is nothing to do, and wakes it when there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.to_thread

from atos_orchestrator.execution.dbos_client import IDLE_POLL_SECONDS, POLL_SECONDS

REST_AFTER_SECONDS = 10.0


class Paced(Protocol):
    """What has queues that are looked at."""

    def pace(self, seconds: float) -> None:
        """Look at them every so often from now on."""
        ...


class PollInterval:
    """Sets how often the queues are looked at: often while goals are unfinished, seldom else."""

    def __init__(self, runtime: Paced, unfinished: Callable[[], list[str]]) -> None:
        self._runtime = runtime
        self._unfinished = unfinished
        self._stir = anyio.Event()

    def stir(self) -> None:
        """Say that there may be work."""
        self._stir.set()

    async def run(self) -> None:
        """Keep the pace until cancelled."""
        while True:
            await self._set(POLL_SECONDS)
            await self._until_quiet()
            await self._set(IDLE_POLL_SECONDS)
            await self._stir.wait()

    async def _until_quiet(self) -> None:
        """Return when there has been nothing to do for a while."""
        busy = True
        while busy:
            self._stir = anyio.Event()
            await anyio.sleep(REST_AFTER_SECONDS)
            busy = self._stir.is_set() or bool(await anyio.to_thread.run_sync(self._unfinished))

    async def _set(self, seconds: float) -> None:
        await anyio.to_thread.run_sync(self._runtime.pace, seconds)
