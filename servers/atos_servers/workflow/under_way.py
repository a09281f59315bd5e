"""Deployments that outlast a call: the call that began one returns, and `verify_deployment` waits for it by its name.

    begin -> goes on in the server's task group -> ended: the journal tells what became of it
       |                                             |
       +-- waits WAIT_SECONDS, then returns None     +-- an error is kept for the next call that asks

Nothing is lost with this process: the journal has every step, and who calls `deploy` again goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from atos_protocol.errors import AtosError, ConflictError
from atos_servers.deployment.record import Deployment

WAIT_SECONDS = 30.0
"""How long one call waits: well below the 45 s after which it would be cancelled."""

Work = Callable[[], Awaitable[Deployment]]


@dataclass(slots=True)
class _Run:
    """One deployment on its way."""

    what: str
    ended: anyio.Event = field(default_factory=anyio.Event)
    result: Deployment | None = None
    failure: AtosError | None = None


class UnderWay:
    """The deployments of one server that are on their way, by name.

    Args:
        wait_seconds: how long one call waits.
    """

    def __init__(self, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._runs: dict[str, _Run] = {}
        self._tasks: TaskGroup | None = None

    async def serve(self) -> None:
        """Let them go on until this is cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    async def is_busy(self) -> bool:
        """Tell whether one goes on, so that the host does not end for being idle."""
        return any(not run.ended.is_set() for run in self._runs.values())

    def has(self, name: str) -> bool:
        """Tell whether one of this name goes on, or has ended in an error that nobody was told."""
        return name in self._runs

    async def begin(self, name: str, what: str, work: Work) -> Deployment | None:
        """Begin, and wait for the end; None where it goes on after that.

        Args:
            name: of the deployment.
            what: is done, with the release; the same again waits for the one that goes on.
            work: what to do.

        Raises:
            ConflictError: something else is done to it.
            AtosError: what the work raises.
        """
        run = self._runs.get(name)
        if run is not None and not run.ended.is_set():
            if run.what != what:
                message = f"{name} is being changed: {run.what.partition(' ')[0]}"
                raise ConflictError(message, next_step=f"Wait: verify_deployment({name!r}).")
            return await self.wait(name)
        if self._tasks is None:
            return await work()
        self._runs[name] = run = _Run(what)
        self._tasks.start_soon(self._go, run, work)
        return await self.wait(name)

    async def wait(self, name: str) -> Deployment | None:
        """Wait for the end of one that `has` knows; None where it goes on after that.

        Raises:
            AtosError: what it ended with; the next call is not told again.
        """
        run = self._runs[name]
        with anyio.move_on_after(self._wait_seconds):
            await run.ended.wait()
        if not run.ended.is_set():
            return None
        if self._runs.get(name) is run:
            del self._runs[name]
        if run.failure is not None:
            raise run.failure
        return run.result

    async def _go(self, run: _Run, work: Work) -> None:
        try:
            run.result = await work()
        except AtosError as error:
            run.failure = error
        except Exception as error:  # noqa: BLE001 - it must not end the others; the caller is told
            run.failure = AtosError(f"it ended in {type(error).__name__}: {error}")
        finally:
            run.ended.set()
