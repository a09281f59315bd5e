"""Accepts callers on a listening socket, whatever they do and however little the system has left.

    wait -> accept --ok--> returned
                     |--caller is gone, or another user on a Unix socket--> wait again
                     |--no descriptors--> the reserved one is given up: accept, refuse, close, reserve again; pause

Nobody else is left without an answer: the reserved descriptor is there to refuse with.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from typing import Self

import anyio

from atos_protocol.daemons import is_trusted, peer_uid

PAUSE_SECONDS = 0.2
"""How long it waits before it accepts again when the process or the system is out of something."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
GONE = frozenset({errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM})

logger = logging.getLogger(__name__)


class Acceptor:
    """Accepts on one socket; use as a context manager.

    Args:
        listener: a listening socket that does not block; its owner closes it.
        refusal: what a caller is sent for whom there is no room.
    """

    def __init__(self, listener: socket.socket, refusal: bytes) -> None:
        self._listener = listener
        self._refusal = refusal
        self._reserved: int | None = None

    def __enter__(self) -> Self:
        self._reserve()
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    async def accept(self) -> socket.socket:
        """Return the next caller's connection, which does not block.

        Raises:
            OSError: the listening socket can't be used any more.
        """
        while True:
            await anyio.wait_readable(self._listener)
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno in GONE:
                    continue
                if error.errno not in EXHAUSTED:
                    raise
                logger.error("a caller can't be accepted: %s", error.strerror)  # noqa: TRY400
                self._shed()
                await anyio.sleep(PAUSE_SECONDS)
                continue
            if connection.family == socket.AF_UNIX and not is_trusted(uid := peer_uid(connection)):
                logger.warning("a caller of user %s was refused", uid)
                connection.close()
                continue
            connection.setblocking(False)
            return connection

    def refuse(self, connection: socket.socket) -> None:
        """Tell a caller that there is no room, and close its connection."""
        with connection, contextlib.suppress(OSError):
            connection.send(self._refusal)

    def _shed(self) -> None:
        """Refuse one caller with the reserved descriptor, so that it need not wait for an answer."""
        self._release()
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self.refuse(connection)
        self._reserve()

    def _reserve(self) -> None:
        """Hold a descriptor that can be given up; where there is none left, the next time."""
        if self._reserved is None:
            with contextlib.suppress(OSError):
                self._reserved = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _release(self) -> None:
        if self._reserved is not None:
            os.close(self._reserved)
            self._reserved = None
