"""HTTP for the daemons: uvicorn on a socket that is bound already, which sleeps while nothing happens.

uvicorn's own loop wakes ten times a second to look at a flag, and its end waits in steps of 100 ms;
here both wait for an event. What is overridden is private enough for an exact range in pyproject.toml
and for the tests in tests/daemon, which hold it to its behaviour.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, cast

import anyio
import uvicorn
from starlette.types import ASGIApp

from atos_daemon.descriptors import connections_per_listener
from atos_daemon.http_admission import Admission, LimitedProtocol

if TYPE_CHECKING:
    import asyncio  # noqa: TID251 - uvicorn's type of a connection

GRACE_SECONDS = 1.0
"""How long open responses may still run when the daemon ends."""

KEEP_ALIVE_SECONDS = 75
ACCEPTED_AT_ONCE = 16
"""Connections that are accepted before anything else gets its turn, and before their limit is looked at."""
BACKLOG = 128
"""Callers that the kernel keeps until they are accepted."""


class HttpServer(uvicorn.Server):
    """Serves one ASGI application until it is told to stop, under an `Admission`."""

    def __init__(self, app: ASGIApp, admission: Admission | None = None) -> None:
        admission = admission or Admission(connections_per_listener())
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", partial(LimitedProtocol, admission)),
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                backlog=ACCEPTED_AT_ONCE,
            )
        )
        self._stop = anyio.Event()
        log = logging.getLogger("uvicorn.error")
        if not any(isinstance(known, _CancelledAtTheEnd) for known in log.filters):
            log.addFilter(_CancelledAtTheEnd())

    async def serve_on(self, listener: socket.socket) -> None:
        """Serve until `stop`, then let open responses end, for a second at most.

        A cancellation from outside does not interrupt it: call `stop`.
        """
        with anyio.CancelScope(shield=True):
            await self.serve([listener])

    def stop(self) -> None:
        """End `serve_on`: no new connections, and little time for the open ones."""
        self.should_exit = True
        self._stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(BACKLOG)  # the event loop has set it to `ACCEPTED_AT_ONCE`

    async def main_loop(self) -> None:
        """Wait for `stop`."""
        await self.on_tick(0)  # sets the headers of every response
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

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the daemon."""
        yield


class _CancelledAtTheEnd(logging.Filter):
    """Drops uvicorn's tracebacks of responses that `shutdown` cancelled on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, anyio.get_cancelled_exc_class())
