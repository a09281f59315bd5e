"""What ties a worker to its host from its first moment on: messages both ways, and the word to end.

The word to end (the host's socket closes, or a signal) is heard also while the worker still waits for the
database. Messages that come before there is a worker are dropped: all of them are hints.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import anyio
from anyio.abc import TaskGroup

from atos_daemon.runtime import until_signal
from atos_orchestrator.execution.database_health import Health
from atos_orchestrator.execution.host_control import Control
from atos_orchestrator.execution.step_errors import as_atos_error, class_of
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.versions import RUNNING

DRAIN_SECONDS = 1.5
"""How long the end may take: the cleaning up of steps, and of DBOS."""

log = logging.getLogger(__name__)

Cancel = Callable[[str, int], Awaitable[None]]
"""Told a goal and the number of the run that is to end; 0: the newest."""
Pauses = Callable[[], Awaitable[None]]
Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class HostLink:
    """The link of one worker; without a control socket only signals end it."""

    def __init__(self, control: Control | None) -> None:
        self._control = control
        self._cancel: Cancel | None = None
        self._wake: Callable[[], None] = lambda: None
        self._answer: Answer = _cannot_yet
        self._pauses: Pauses | None = None
        self.ended = anyio.Event()

    async def run(self) -> None:
        """Listen until the word to end comes."""
        try:
            async with anyio.create_task_group() as tasks:
                if self._control is not None:
                    tasks.start_soon(self._serve, self._control, tasks)
                await until_signal()
                tasks.cancel_scope.cancel()
        finally:
            log.info("ending")
            _end_for_sure()
            self.ended.set()

    def connect(
        self, cancel: Cancel, wake: Callable[[], None], answer: Answer, pauses: Pauses
    ) -> None:
        """Have the host's messages acted on, and tell it that there is a worker now."""
        self._cancel, self._wake, self._answer, self._pauses = cancel, wake, answer, pauses
        self.send({"op": "ready", "version": RUNNING})

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, if there is a host."""
        if self._control is not None:
            self._control.send(message)

    def tell_health(self, health: Health) -> None:
        """Tell the host whether the worker can use the database."""
        self.send({"op": "database", **asdict(health)})

    async def _serve(self, control: Control, tasks: TaskGroup) -> None:
        async with anyio.create_task_group() as ending:

            async def receive(message: dict[str, Any]) -> None:
                if message["op"] == "cancel":
                    revision = int(message.get("revision", 0))  # an earlier host says none
                    ending.start_soon(self._end_goal, str(message["goal"]), revision)
                elif message["op"] == "clean":
                    ending.start_soon(self._reply, message["id"], message)
                elif message["op"] == "pauses":
                    ending.start_soon(self._look_at_pauses)
                else:
                    self._wake()

            await control.serve(receive)
            # A goal that was cancelled just before the end is cleaned up all the same.
            ending.cancel_scope.deadline = anyio.current_time() + DRAIN_SECONDS
        tasks.cancel_scope.cancel()

    async def _reply(self, identity: object, message: dict[str, Any]) -> None:
        """Answer what the host has asked."""
        try:
            said: dict[str, Any] = {"value": await self._answer(message)}
        except Exception as error:
            if not isinstance(error, AtosError):
                log.exception("the host's %s failed", message["op"])
            said = {"error": as_atos_error(error, str(message["op"])).to_wire()}
        self.send({"op": "answer", "id": identity, **said})

    async def _end_goal(self, goal: str, revision: int) -> None:
        if self._cancel is not None:
            otherwise = f"what goal {goal} left is not cleaned up now"
            await _as_a_hint(self._cancel(goal, revision), otherwise)

    async def _look_at_pauses(self) -> None:
        if self._pauses is not None:
            await _as_a_hint(self._pauses(), "which goals are paused is not known now")


async def _as_a_hint(work: Awaitable[None], otherwise: str) -> None:
    """Do what the host has asked for; what fails of it is found by the next look, and ends no worker."""
    try:
        await work
    except Exception as raised:
        error = as_atos_error(raised, "hint")
        foreseen = class_of(error.code) == "transient"
        log.warning("%s: %s", otherwise, error.message, exc_info=not foreseen)


async def _cannot_yet(_message: dict[str, Any]) -> dict[str, Any]:
    raise UnreachableError("the worker is starting", next_step="Ask again.")  # noqa: EM101


def _end_for_sure() -> None:
    """End the process after the drain time, whatever still hangs: nothing is lost by it."""
    timer = threading.Timer(DRAIN_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
