"""Accepts connections on a Unix socket for as long as the daemon lives, whatever the callers do.

    wait -> accept --ok, room left--> a task of its own
                   --ok, full-------> one line that refuses it, closed
                   --no descriptors-> the reserved one is given up: accept, refuse, close, reserve again; pause
                   --caller is gone-> next

A connection that fails ends itself alone, with a line in the log.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import SocketStream

PAUSE_SECONDS = 0.2
"""How long it waits before it accepts again when the process or the system is out of something."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
GONE = frozenset({errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM})

Handler = Callable[[SocketStream], Awaitable[None]]
logger = logging.getLogger(__name__)


class UnixServer:
    """Serves the connections of one listening socket, which it owns.

    Args:
        listener: a listening socket that does not block.
        handler: serves one connection.
        capacity: how many connections it may hold at once.
        refusal: what a caller beyond that is sent before its connection is closed.
    """

    def __init__(
        self, listener: socket.socket, handler: Handler, *, capacity: int, refusal: bytes
    ) -> None:
        self._listener = listener
        self._handler = handler
        self._capacity = capacity
        self._refusal = refusal
        self._reserved: int | None = None
        self.open = 0
        """How many connections it holds now."""

    async def run(self) -> None:
        """Serve until cancelled; the listener is closed first, so that no caller waits for nothing."""
        self._reserve()
        try:
            async with anyio.create_task_group() as tasks:
                try:
                    while True:
                        await anyio.wait_readable(self._listener)
                        if (connection := await self._accept()) is not None:
                            self.open += 1
                            tasks.start_soon(self._serve, connection)
                finally:
                    self._listener.close()
        finally:
            if self._reserved is not None:
                os.close(self._reserved)

    async def _accept(self) -> socket.socket | None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in GONE:
                return None
            if error.errno not in EXHAUSTED:
                raise
            logger.error("a caller can't be accepted: %s", error.strerror)  # noqa: TRY400
            self._shed()
            await anyio.sleep(PAUSE_SECONDS)
            return None
        connection.setblocking(False)
        if self.open < self._capacity:
            return connection
        logger.warning("a caller was refused: %d connections are open", self.open)
        self._refuse(connection)
        return None

    async def _serve(self, connection: socket.socket) -> None:
        try:
            async with await SocketStream.from_socket(connection) as stream:
                await self._handler(stream)
        except Exception:
            logger.exception("a connection failed")
        finally:
            connection.close()
            self.open -= 1

    def _shed(self) -> None:
        """Tell one caller that there is no room, so that it need not wait for an answer."""
        if self._reserved is not None:
            os.close(self._reserved)
            self._reserved = None
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._refuse(connection)
        self._reserve()

    def _reserve(self) -> None:
        """Hold a descriptor that can be given up; where there is none left, the next time."""
        if self._reserved is None:
            with contextlib.suppress(OSError):
                self._reserved = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _refuse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.send(self._refusal)
