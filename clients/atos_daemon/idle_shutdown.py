"""When a daemon may end: nobody uses it, nobody has for long, and no work is under way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio

from atos_protocol.versions import replacement

OUTDATED_SECONDS = 2.0
"""How long a daemon is idle before it makes way for a version that was installed over its own."""

LOOK_SECONDS = 5.0
"""Longest pause between two looks, so that work which ends is noticed soon."""

RESTING_SECONDS = 20.0
"""How long a daemon is idle before it looks seldom."""

RESTING_LOOK_SECONDS = 30.0
"""Longest pause between two looks then."""

BusyCheck = Callable[[], Awaitable[bool]]
"""Tells whether work is under way that must outlive its callers' connections, such as a goal."""

logger = logging.getLogger(__name__)


class IdleShutdown:
    """Counts who uses the daemon, and remembers when the last use was."""

    def __init__(
        self,
        *busy: BusyCheck,
        look_seconds: float = LOOK_SECONDS,
        replaced_by: Callable[[], str] = replacement,
    ) -> None:
        self._replaced_by = replaced_by
        self._busy = list(busy)
        self._look = look_seconds
        self._open = 0
        self._unknown = False
        self._last = anyio.current_time()

    @property
    def in_use(self) -> int:
        """How many connections and requests are open now."""
        return self._open

    def add_busy_check(self, check: BusyCheck) -> None:
        """Have `check` asked before the daemon ends for idleness."""
        self._busy.append(check)

    def touch(self) -> None:
        """Note a use that is over already."""
        self._last = anyio.current_time()

    @contextmanager
    def use(self) -> Generator[None]:
        """Count one connection or request for as long as it is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self.touch()

    async def wait_idle(self, seconds: float) -> None:
        """Return when the daemon has been idle for `seconds`, counted from now on; sooner if it is outdated."""
        self.touch()
        while True:
            if self._open or await self._is_busy():
                self.touch()
            idle = anyio.current_time() - self._last
            if idle >= OUTDATED_SECONDS and (newer := self._replaced_by()):
                logger.info("ending, because version %s was installed over this one", newer)
                return
            left = seconds - idle
            if left <= 0:
                logger.info("ending after %.0f idle seconds", seconds)
                return
            resting = idle >= RESTING_SECONDS
            pause = max(self._look, RESTING_LOOK_SECONDS) if resting else self._look
            await anyio.sleep(min(left, pause))

    async def _is_busy(self) -> bool:
        """Ask every check; one that can't tell, because its database is away, may have work."""
        try:
            for check in self._busy:
                if await check():
                    return True
        except Exception as error:  # noqa: BLE001 - a check must not end the daemon
            if not self._unknown:
                logger.warning("it is not known whether there is work: %s", error)
            self._unknown = True
            return True
        self._unknown = False
        return False
