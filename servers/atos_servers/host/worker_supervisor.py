"""Keeps one worker process running, and carries messages between it and the host.

A socketpair connects them: newline-delimited JSON both ways. The worker ends when its end closes, so
it can't outlive a host that was killed; a host that ends by itself closes the socket, gives the worker
a second to stop its goals in order, and then kills it. Nothing is lost when it dies: goals are durable,
and the next worker recovers what the dead one had begun. States: `TRANSITIONS`.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Literal, cast

import anyio
import anyio.to_thread
from anyio.abc import UNIXSocketStream
from anyio.streams.memory import MemoryObjectSendStream

from atos_protocol.errors import UnreachableError, from_wire
from atos_servers.host.goal_worker_process import GoalWorkerProcess
from atos_servers.host.line_stream import LineStream
from atos_servers.host.services import EventNotifier

ASK_SECONDS = 40.0
"""How long a worker may take to answer; a caller's call lasts 60 s at most."""
FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
STEADY_SECONDS = 10.0
"""A worker that lived this long is not in a crash loop: its restart is prompt again. A start takes 2 s of one core,
so workers that die again and again after so long cost a fifth of one."""

State = Literal["starting", "up", "down", "stopped"]
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "starting": frozenset({"up", "down", "stopped"}),
    "up": frozenset({"down", "stopped"}),
    "down": frozenset({"starting", "down", "stopped"}),
    "stopped": frozenset(),
}
"""`down` to `down`: the machine could not start another process. `stopped`: the host is ending."""

Spawn = Callable[[], GoalWorkerProcess]
logger = logging.getLogger(__name__)


class WorkerSupervisor:
    """Runs workers one after another.

    Args:
        spawn: starts a worker; an OSError means that the machine can't start one now.
        notifier: notified of the events that the worker reports.
        first: the worker that was started already.
    """

    def __init__(
        self, spawn: Spawn, notifier: EventNotifier, first: GoalWorkerProcess | None = None
    ) -> None:
        self._spawn = spawn
        self._notifier = notifier
        self._next = first
        self._lines: LineStream | None = None
        self.state: State = "starting"
        self.pid: int | None = first.process.pid if first else None
        self.restarts = 0
        self.database: dict[str, Any] = {}
        """The database's health as the worker sees it; empty while there is no trouble."""
        self.records: dict[str, Any] = {}
        """What goals' records take, as the worker has counted last; empty before it has."""
        self.version = ""
        """The worker's: after an upgrade it may be newer than the host's."""
        self._up = anyio.Event()
        self._asked = count(1)
        self._answers: dict[int, MemoryObjectSendStream[dict[str, Any]]] = {}

    async def run(self) -> None:
        """Keep a worker running until cancelled, then end it."""
        delay = FIRST_DELAY
        try:
            while True:
                started = anyio.current_time()
                await self._run_one()
                if anyio.current_time() - started > STEADY_SECONDS:
                    delay = FIRST_DELAY
                await anyio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                self.restarts += 1
        finally:
            self._enter("stopped")

    async def notify(self, message: dict[str, Any]) -> None:
        """Send a message to the worker; one that is down finds its work when it starts."""
        if self._lines is None:
            logger.debug("no worker to send %s to", message)
            return
        await self._lines.send(json.dumps(message).encode())

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message that the worker answers, and return its answer.

        Raises:
            UnreachableError: there is no worker, it ended, or it did not answer in time.
            AtosError: what the worker answered.
        """
        identity = next(self._asked)
        answer: dict[str, Any] = {}
        sending, receiving = anyio.create_memory_object_stream[dict[str, Any]](1)
        with sending, receiving, anyio.move_on_after(ASK_SECONDS):
            await self._up.wait()
            self._answers[identity] = sending
            try:
                await self.notify(message | {"id": identity})
                with contextlib.suppress(anyio.EndOfStream):
                    answer = await receiving.receive()
            finally:
                self._answers.pop(identity, None)
        if "error" in answer:
            raise from_wire(answer["error"])
        if not answer:
            message_text = f"the worker, which is {self.state}, did not answer"
            raise UnreachableError(message_text, next_step="Ask again; see logs/worker.log.")
        return dict(answer["value"])

    def _enter(self, state: State, pid: int | None = None) -> None:
        if state != self.state and state not in TRANSITIONS[self.state]:
            message = f"a worker does not go from {self.state} to {state}"
            raise AssertionError(message)
        self.state, self.pid = state, pid
        if state == "up":
            self._up.set()
        elif self._up.is_set():
            self._up = anyio.Event()

    async def _run_one(self) -> None:
        """Start a worker, or take the one that was started already, and wait for its end."""
        try:
            worker = self._next or self._spawn()
        except OSError as error:  # out of processes or files
            self._enter("down")
            logger.error("no worker can be started: %s", error)  # noqa: TRY400
            return
        await self._attend(worker)

    async def _attend(self, worker: GoalWorkerProcess) -> None:
        """Serve one worker from its start to its exit; end it when cancelled."""
        self._next = None
        self.database = {}
        self._enter("starting", worker.process.pid)
        try:
            # The stream owns a duplicate: `worker.control` remains ours to close in any case.
            async with await UNIXSocketStream.from_socket(worker.control.dup()) as stream:
                self._lines = LineStream(stream)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._listen, self._lines)
                    await anyio.to_thread.run_sync(worker.process.wait, abandon_on_cancel=True)
                    tasks.cancel_scope.cancel()
            self._enter("down")
            logger.warning("the worker ended with status %s", worker.process.returncode)
        finally:
            self._lines = None
            for waiting in self._answers.values():
                waiting.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(worker.end)

    async def _listen(self, lines: LineStream) -> None:
        async with contextlib.aclosing(lines.received()) as received:
            async for line in received:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._handle(json.loads(line or b""))

    def _handle(self, message: Any) -> None:
        fields = cast("dict[str, Any]", message)
        if fields["op"] == "ready":
            self.version = str(fields.get("version") or "")
            self._enter("up", self.pid)
        elif fields["op"] == "event":
            self._notifier.notify(str(fields["goal"]), int(fields["seq"]))
        elif fields["op"] == "answer":
            if waiting := self._answers.get(fields["id"]):
                waiting.send_nowait(fields)
        elif fields["op"] == "records":
            self.records = {name: int(fields[name]) for name in ("goals", "bytes")}
        elif fields["op"] == "database":
            health = {name: fields[name] for name in ("state", "why", "todo", "since")}
            self.database = health if health["state"] != "ok" else {}
