"""HTTP on the scheduler's Unix socket.

uvicorn's own loop wakes ten times a second to look at a flag; this one waits for an event, so that an
idle scheduler uses no CPU, and it ends as soon as the last response has. The socket is made here, because uvicorn's way would make it 0666 first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Generator
from pathlib import Path

import anyio
import uvicorn
from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

BACKLOG = 512
GRACE_SECONDS = 1.0
"""How long open responses may still run when the daemon ends."""


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket, mode 0600; a stale one at this path is replaced.

    Only the holder of the role's `Singleton` may call this: whoever has the lock knows that nobody
    listens any more, however alive the file looks.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class UnixServer(uvicorn.Server):
    """A uvicorn server that sleeps until it is told to stop."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=75,
            )
        )
        self._stop = anyio.Event()

    async def main_loop(self) -> None:
        """Wait for `stop`."""
        await self.on_tick(0)
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let open responses end, and cancel those that do not in time."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with anyio.move_on_after(GRACE_SECONDS):  # polled: uvicorn tells nobody when one ends
            while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110
                await anyio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()

    def stop(self) -> None:
        """End `serve`: no new connections, and little time for the open ones."""
        self.should_exit = True
        self._stop.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the daemon."""
        yield
