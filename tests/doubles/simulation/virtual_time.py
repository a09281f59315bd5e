"""An event loop whose clock jumps to the next timer, so that hours pass in milliseconds and nothing is ever late."""

import asyncio  # noqa: TID251  # the loop is what is replaced here
import heapq
from typing import Any


class NothingToDo(AssertionError):
    """Every task waits, and no timer will wake any of them."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; one serves many schedules, and its clock goes on. It watches no files."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        """Return virtual seconds."""
        return self._now

    def _run_once(self) -> None:
        """Do what is ready; if nothing is, advance the clock to the next timer."""
        here: Any = self
        ready, timers = here._ready, here._scheduled
        if not ready:
            while timers and timers[0]._cancelled:
                self._next(timers)
            if not timers:
                raise NothingToDo
            self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now:
            handle = self._next(timers)
            if not handle._cancelled:
                ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _next(self, timers: list[Any]) -> Any:
        here: Any = self
        handle = heapq.heappop(timers)
        handle._scheduled = False
        if handle._cancelled:
            here._timer_cancelled_count -= 1
        return handle
