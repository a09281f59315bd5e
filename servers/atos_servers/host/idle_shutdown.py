"""Who is here: what decides when the host may end for idleness."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from atos_servers.host.services import BusyChecks

LOOK_SECONDS = 5.0
"""Longest pause between two looks, so that a goal that ends is noticed soon."""


class IdleShutdown:
    """Counts connections and requests, and remembers when the last one ended."""

    def __init__(self, keep_up: BusyChecks) -> None:
        self._keep_up = keep_up
        self._open = 0
        self._last = anyio.current_time()

    @property
    def connections(self) -> int:
        """How many connections and HTTP requests are open now."""
        return self._open

    @contextmanager
    def one(self) -> Generator[None]:
        """Count one connection or request for as long as it is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._last = anyio.current_time()

    async def wait_idle(self, seconds: float) -> None:
        """Return when nobody was here and nothing was busy for `seconds` from now on."""
        self._last = anyio.current_time()
        while True:
            if self._open or await self._keep_up.busy():
                self._last = anyio.current_time()
            left = self._last + seconds - anyio.current_time()
            if left <= 0:
                return
            await anyio.sleep(min(left, LOOK_SECONDS))
