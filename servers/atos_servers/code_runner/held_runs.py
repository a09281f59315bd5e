"""Runs that outlast a call: the call that began one gets a *handle*, and later calls wait for it by that.

    begin -> running (in the server's task group) -> ended -> fetched
               |                                       |
               +-- nobody asks for KEPT_SECONDS -------+--> forgotten, and ended if it still runs

A run waits in the queue for the sandbox like any other; its handle keeps its place there. The handle is a secret: who
has it may fetch the result, whichever connection they came by.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    BusyError,
    DeadlineError,
    NotFoundError,
)

WAIT_SECONDS = 40.0
"""How long one call waits: below the 45 s after which it would be cancelled."""
KEPT_SECONDS = 180.0
"""How long a run is kept without a call that waits for it."""
MOST_RUNS = 16
"""Of one host, those that have ended and were not fetched included."""

Work = Callable[[], Awaitable[object]]
T = TypeVar("T")


@dataclass(slots=True)
class _Held:
    """One run."""

    kind: str
    ended: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    result: object = None
    failure: Exception | None = None
    waiting: int = 0
    """Calls that stand by."""
    left_at: float = 0.0
    """When the last of them left, by the event loop's clock."""


class HeldRuns:
    """The runs of one server that have handles.

    Args:
        wait_seconds: how long one call waits.
        kept_seconds: how long a run is kept that nobody asks for.
    """

    def __init__(
        self, *, wait_seconds: float = WAIT_SECONDS, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        self._wait_seconds, self._kept_seconds = wait_seconds, kept_seconds
        self._held: dict[str, _Held] = {}
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Let runs go on while the block lasts; what still runs at its end is ended."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    async def serve(self) -> None:
        """Let runs go on until this is cancelled."""
        async with self.serving():
            await anyio.sleep_forever()

    async def is_busy(self) -> bool:
        """Tell whether a run goes on, or a result waits for its caller."""
        self._forget()
        return bool(self._held)

    async def begin(self, work: Callable[[], Awaitable[T]], kind: str = "") -> T:
        """Begin a run and wait for it.

        Args:
            work: does it.
            kind: of its result, in words.

        Raises:
            DeadlineError: it goes on; the error's data has the `handle`.
            BusyError: too many runs have handles already.
            AtosError: what the run itself raised.
        """
        self._forget()
        if self._tasks is None or len(self._held) >= MOST_RUNS:
            message = f"{len(self._held)} long runs go on or wait to be fetched"
            step = f"Fetch one with run_result, or give timeout_s={WAIT_SECONDS:.0f} or less."
            raise BusyError(message, next_step=step)
        handle, held = secrets.token_hex(16), _Held(kind)
        self._held[handle] = held
        self._tasks.start_soon(self._run, held, work)
        return cast("T", await self._wait(handle, held))

    def knows(self, handle: str, kind: str = "") -> bool:
        """Tell whether a run has this handle.

        Raises:
            BadRequestError: it has, and its result is of another kind: it would be used up and not be shown.
        """
        held = self._held.get(handle)
        if held is not None and held.kind != kind:
            message = f"this handle is that of a run with {held.kind}, not with {kind}"
            raise BadRequestError(message, next_step="Call run_result with it.")
        return held is not None

    async def result(self, handle: str) -> object:
        """Wait for a run by its handle, which is used up by the result.

        Raises:
            NotFoundError: there is no such run (any more).
            DeadlineError: it goes on.
            AtosError: what the run itself raised.
        """
        self._forget()
        if (held := self._held.get(handle)) is None:
            message = (
                f"no run has the handle {handle[:40]!a}: it was fetched, or nobody asked for it"
            )
            raise NotFoundError(message, next_step="Start the run again.")
        return await self._wait(handle, held)

    async def _run(self, held: _Held, work: Work) -> None:
        with held.scope:
            try:
                held.result = await work()
            except Exception as error:  # noqa: BLE001 - whoever fetches the result is told
                held.failure = error
        held.ended.set()

    async def _wait(self, handle: str, held: _Held) -> object:
        held.waiting += 1
        try:
            with anyio.move_on_after(self._wait_seconds):
                await held.ended.wait()
        finally:
            held.waiting -= 1
            held.left_at = anyio.current_time()
        if not held.ended.is_set():
            raise _goes_on(handle)
        self._held.pop(handle, None)
        if held.failure is not None:
            raise held.failure
        return held.result

    def _forget(self) -> None:
        """End and drop the runs that nobody has asked for in a while."""
        oldest = anyio.current_time() - self._kept_seconds
        for handle, held in list(self._held.items()):
            if not held.waiting and held.left_at < oldest:
                held.scope.cancel()
                del self._held[handle]


def _goes_on(handle: str) -> AtosError:
    return DeadlineError(
        "the run has not ended yet and goes on",
        next_step=f"Call run_result with handle={handle!r}, or this tool again with that as `ticket`.",
        data={"handle": handle},
    )
