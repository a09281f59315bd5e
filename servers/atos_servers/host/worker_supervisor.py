"""Keeps one worker alive.

    starting --ready--> up --exit--> down --delay--> starting ...      any --stop--> stopped

A socketpair connects it to the host: newline-delimited JSON both ways. The worker ends when its end
closes, so it can't outlive a host that was killed; a host that ends by itself closes the socket,
gives the worker a second to leave its goals in order, and then kills it. Nothing is lost when it
dies: goals are durable, and the next worker recovers what the dead one had begun.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, Literal, cast

import anyio
import anyio.to_thread
from anyio.abc import SocketStream

from atos_servers.host.event_notifier import EventNotifier
from atos_servers.host.goal_worker_process import GoalWorkerProcess
from atos_servers.host.mcp_session import LineStream

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
STEADY_SECONDS = 30.0
"""A worker that lived this long is no crash loop: its restart is prompt again."""

State = Literal["starting", "up", "down", "stopped"]
Spawn = Callable[[], GoalWorkerProcess]
logger = logging.getLogger(__name__)


class WorkerSupervisor:
    """Runs workers one after another, and carries messages to and from the living one."""

    def __init__(
        self, spawn: Spawn, notifier: EventNotifier, first: GoalWorkerProcess | None = None
    ) -> None:
        self._spawn = spawn
        self._notifier = notifier
        self._next = first
        self._wire: LineStream | None = None
        self.state: State = "starting"
        self.pid: int | None = first.process.pid if first else None
        self.restarts = 0

    async def run(self) -> None:
        """Keep a worker running until cancelled, then end it."""
        delay = FIRST_DELAY
        try:
            while True:
                born = anyio.current_time()
                await self._one()
                if anyio.current_time() - born > STEADY_SECONDS:
                    delay = FIRST_DELAY
                await anyio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                self.restarts += 1
        finally:
            self.state, self.pid = "stopped", None

    async def notify(self, message: dict[str, Any]) -> None:
        """Send a message to the worker; one that is down finds its work when it starts."""
        if self._wire is None:
            logger.debug("no worker to tell %s", message)
            return
        await self._wire.send(json.dumps(message).encode())

    async def _one(self) -> None:
        """Start a worker, or take the one that was started already, and see it through."""
        try:
            worker = self._next or self._spawn()
        except OSError as error:  # no process or file is to be had now
            self.state, self.pid = "down", None
            logger.error("no worker can be started: %s", error)  # noqa: TRY400
            return
        await self._attend(worker)

    async def _attend(self, worker: GoalWorkerProcess) -> None:
        """Serve one worker from its start to its exit; end it when cancelled."""
        self._next = None
        self.state, self.pid = "starting", worker.process.pid
        try:
            # The stream owns a duplicate: `worker.control` stays ours to close in any case.
            async with await SocketStream.from_socket(worker.control.dup()) as stream:
                self._wire = LineStream(stream)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._listen, self._wire)
                    await anyio.to_thread.run_sync(worker.process.wait, abandon_on_cancel=True)
                    tasks.cancel_scope.cancel()
            self.state, self.pid = "down", None
            logger.warning("the worker ended with status %s", worker.process.returncode)
        finally:
            self._wire = None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(worker.end)

    async def _listen(self, wire: LineStream) -> None:
        async with contextlib.aclosing(wire.lines()) as lines:
            async for line in lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._heard(json.loads(line or b""))

    def _heard(self, message: Any) -> None:
        fields = cast("dict[str, Any]", message)
        if fields["op"] == "ready":
            self.state = "up"
        elif fields["op"] == "event":
            self._notifier.ring(str(fields["goal"]), int(fields["seq"]))
