"""What the host asks of a worker: done as far as it can be, and never the end of the worker."""

import errno
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from atos_orchestrator.execution import host_link
from atos_orchestrator.execution.host_control import Control
from atos_orchestrator.execution.host_link import HostLink
from atos_protocol.errors import UnreachableError
from doubles.eventually import eventually

pytestmark = pytest.mark.timeout(30)


class Worker:
    """A worker that can do nothing of what it is asked for."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.heard = list[tuple[str, Any]]()

    async def cancel(self, goal: str, revision: int) -> None:
        self.heard.append((goal, revision))
        raise self._error

    async def pauses(self) -> None:
        self.heard.append(("pauses", None))
        raise self._error

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        return message

    def wake(self) -> None:
        self.heard.append(("wake", None))


@asynccontextmanager
async def linked(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[socket.socket]:
    monkeypatch.setattr(host_link, "_end_for_sure", lambda: None)
    host, theirs = socket.socketpair()
    link = HostLink(Control(theirs.detach()))
    link.connect(worker.cancel, worker.wake, worker.answer, worker.pauses)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run)
        yield host
        host.close()
        await link.ended.wait()


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("the database is away"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied"),
    ],
)
async def test_what_can_not_be_done_for_the_host_ends_no_worker(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(error)
    words = [
        {"op": "cancel", "goal": "g1", "revision": 2},
        {"op": "cancel", "goal": "g2"},
        {"op": "pauses"},
        {"op": "wake"},
    ]
    async with linked(worker, monkeypatch) as host:
        for word in words:
            host.sendall(json.dumps(word).encode() + b"\n")
            heard = len(worker.heard)
            await eventually(lambda heard=heard: len(worker.heard) > heard)

    assert worker.heard == [("g1", 2), ("g2", 0), ("pauses", None), ("wake", None)]
