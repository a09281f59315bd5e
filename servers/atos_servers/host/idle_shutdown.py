"""When the host may end because nobody uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio

CHECK_SECONDS = 5.0
"""Longest pause between two checks, so that the end of a goal is noticed soon."""

BusyCheck = Callable[[], Awaitable[bool]]
"""Returns whether work is in progress for which the host must stay up."""


class BusyChecks:
    """What keeps the host up besides open connections, such as running goals."""

    def __init__(self) -> None:
        self._checks: list[BusyCheck] = []

    def add(self, check: BusyCheck) -> None:
        """Ask `check` before the host ends for idleness."""
        self._checks.append(check)

    async def busy(self) -> bool:
        """Return True if any check does."""
        for check in self._checks:
            if await check():
                return True
        return False


class IdleShutdown:
    """Counts connections and requests, and remembers when the last one ended."""

    def __init__(self, busy_checks: BusyChecks) -> None:
        self._busy_checks = busy_checks
        self._open = 0
        self._last = anyio.current_time()

    @property
    def connections(self) -> int:
        """How many connections and HTTP requests are open now."""
        return self._open

    @contextmanager
    def activity(self) -> Generator[None]:
        """Count one connection or request while the block runs."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._last = anyio.current_time()

    async def wait_idle(self, seconds: float) -> None:
        """Return when there was no activity and no busy work for `seconds`, counted from now."""
        self._last = anyio.current_time()
        while True:
            if self._open or await self._busy_checks.busy():
                self._last = anyio.current_time()
            left = self._last + seconds - anyio.current_time()
            if left <= 0:
                return
            await anyio.sleep(min(left, CHECK_SECONDS))
