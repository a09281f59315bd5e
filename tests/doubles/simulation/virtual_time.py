"""An event loop whose clock jumps to the next timer, so that hours pass in milliseconds and nothing is ever late.

A schedule is some thousand callbacks and little else, so what `asyncio` does for each of them beyond calling it (debug
mode, thread checks, timers compared in Python) is left out. Timers of the same moment end in the order of their making.
"""

import asyncio  # noqa: TID251  # the loop is what is replaced here
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, cast


class NothingToDo(AssertionError):
    """Every task waits, and no timer will wake any of them."""


class Call:
    """A callback that is due, or will be; stands in for `asyncio.Handle` and `TimerHandle`."""

    __slots__ = ("_arguments", "_callback", "_context", "cancelled")

    def __init__(
        self, callback: Callable[..., Any], arguments: tuple[Any, ...], context: Context | None
    ) -> None:
        self._callback = callback
        self._arguments = arguments
        self._context = copy_context() if context is None else context
        self.cancelled = False

    def cancel(self) -> None:
        """Have it never happen, and let go of what it would need."""
        self.cancelled = True
        self._arguments = ()

    def run(self) -> None:
        """Do it."""
        self._context.run(self._callback, *self._arguments)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; one serves many schedules, and its clock goes on. It watches no files."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due = deque[Call]()
        self._later: list[tuple[float, int, Call]] = []
        self._made = 0
        super().__init__()

    def time(self) -> float:
        """Return virtual seconds."""
        return self._now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        call = Call(callback, args, context)
        self._due.append(call)
        return cast("asyncio.Handle", call)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        call = Call(callback, args, context)
        self._made += 1
        heapq.heappush(self._later, (when, self._made, call))
        return cast("asyncio.TimerHandle", call)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Do what is due; if nothing is, advance the clock to the next timer."""
        due, later = self._due, self._later
        while later and later[0][2].cancelled:
            heapq.heappop(later)
        if not due:
            if not later:
                raise NothingToDo
            self._now = max(self._now, later[0][0])
        while later and later[0][0] <= self._now:
            due.append(heapq.heappop(later)[2])
        for _ in range(len(due)):
            if not (call := due.popleft()).cancelled:
                self._do(call)

    def _do(self, call: Call) -> None:
        try:
            call.run()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as every loop does
            self.call_exception_handler({"message": "a callback failed", "exception": error})
