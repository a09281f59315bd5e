"""Serves the connections of a Unix socket: a limited number at once, each in a task of its own.

A connection that fails ends itself alone, with a line in the log.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import SocketStream, UNIXSocketStream

from atos_daemon.acceptor import Acceptor

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
        self.open = 0
        """How many connections it holds now."""

    async def run(self) -> None:
        """Serve until cancelled; the listener is closed first, so that no caller waits for nothing."""
        async with anyio.create_task_group() as tasks:
            try:
                with Acceptor(self._listener, self._refusal) as acceptor:
                    while True:
                        connection = await acceptor.accept()
                        if self.open < self._capacity:
                            self.open += 1
                            tasks.start_soon(self._serve, connection)
                        else:
                            logger.warning("a caller was refused: %d are connected", self.open)
                            acceptor.refuse(connection)
            finally:
                self._listener.close()

    async def _serve(self, connection: socket.socket) -> None:
        try:
            async with await UNIXSocketStream.from_socket(connection) as stream:
                await self._handler(stream)
        except Exception:
            logger.exception("a connection failed")
        finally:
            connection.close()
            self.open -= 1
