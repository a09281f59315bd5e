"""The worker's end of the control socket to its host: newline-delimited JSON in both directions.

    host -> worker   {"op": "wake"}  {"op": "cancel", "goal": ID, "revision": N}  {"op": "pauses"}
                     {"op": "clean", "id", "request"}
    worker -> host   {"op": "ready", "version"}  {"op": "event", "goal": ID, "seq": N}
                     {"op": "database", "state", "why", "todo", "since"}
                     {"op": "records", "goals", "bytes"}  {"op": "answer", "id", "value" | "error"}

Every message but a question and its answer is only a hint that saves waiting: goals, cancellations and events are in the
database. When the host closes the socket, the worker ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

MAX_LINE_BYTES = 64 * 1024
WAITING_LINES = 1000

log = logging.getLogger(__name__)

Receive = Callable[[dict[str, Any]], Awaitable[None]]


class Control:
    """Sends and receives the messages; `send` never waits."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines, self._waiting = anyio.create_memory_object_stream[dict[str, Any]](
            WAITING_LINES
        )

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; it is dropped when the host is gone, or has not read for long."""
        gone = (anyio.BrokenResourceError, anyio.ClosedResourceError)
        with contextlib.suppress(anyio.WouldBlock, *gone):
            self._lines.send_nowait(message)

    async def serve(self, receive: Receive) -> None:
        """Send and receive until the host closes its end."""
        self._socket.setblocking(False)
        stream = await SocketStream.from_socket(self._socket)
        async with stream, self._lines, self._waiting, anyio.create_task_group() as tasks:
            tasks.start_soon(self._send, stream)
            await self._receive(stream, receive)
            tasks.cancel_scope.cancel()

    async def _send(self, stream: SocketStream) -> None:
        with contextlib.suppress(anyio.BrokenResourceError, OSError):
            async for message in self._waiting:
                await stream.send(json.dumps(message).encode() + b"\n")

    async def _receive(self, stream: SocketStream, receive: Receive) -> None:
        lines = BufferedByteReceiveStream(stream)
        with contextlib.suppress(
            anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError
        ):
            while True:
                line = await lines.receive_until(b"\n", MAX_LINE_BYTES)
                try:
                    await receive(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    log.warning("the host sent an invalid message: %r", line[:200])
