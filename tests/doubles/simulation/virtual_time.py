"""An event loop whose clock jumps to the next timer, so that hours pass in milliseconds and nothing is ever late."""

import asyncio
import selectors
from typing import Any


class NothingToDo(AssertionError):
    """Every task waits, and no timer will wake any of them."""


class _NoFiles(selectors.SelectSelector):
    """Watches nothing; waiting is advancing the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingToDo
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; one serves many schedules, and its clock goes on."""

    def __init__(self) -> None:
        self._files = _NoFiles()
        super().__init__(self._files)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return virtual seconds."""
        return self._files.now
