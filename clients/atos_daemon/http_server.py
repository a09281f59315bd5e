"""HTTP for the daemons: uvicorn on a socket that is bound already, which sleeps while nothing happens.

uvicorn's own loop wakes ten times a second to look at a flag, and its end waits in steps of 100 ms;
here both wait for an event. Callers are accepted by an `Acceptor` and held under an `Admission`. What is overridden is private enough for an exact range in pyproject.toml
and for the tests in tests/daemon, which hold it to its behaviour.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - uvicorn's connections are of asyncio's protocol
import contextlib
import logging
import socket
from collections.abc import Generator
from functools import partial

import anyio
import uvicorn
from starlette.types import ASGIApp

from atos_daemon.acceptor import Acceptor
from atos_daemon.descriptors import connections_per_listener
from atos_daemon.http_admission import Admission, LimitedProtocol

GRACE_SECONDS = 1.0
"""How long open responses may still run when the daemon ends."""

KEEP_ALIVE_SECONDS = 75
FULL_SECONDS = 0.005
"""Pause after each caller who is beyond the limit, so that a flood of them leaves time for other work."""
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpServer(uvicorn.Server):
    """Serves one ASGI application until it is told to stop, under an `Admission`."""

    def __init__(self, app: ASGIApp, admission: Admission | None = None) -> None:
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
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._admission = admission or Admission(connections_per_listener())
        self._listeners: list[socket.socket] = []
        self._stop = anyio.Event()
        log = logging.getLogger("uvicorn.error")
        if not any(isinstance(known, _CancelledAtTheEnd) for known in log.filters):
            log.addFilter(_CancelledAtTheEnd())

    async def serve_on(self, *listeners: socket.socket) -> None:
        """Serve on sockets until `stop`, then let open responses end, for a second at most.

        A cancellation from outside does not interrupt it: call `stop`.
        """
        with anyio.CancelScope(shield=True):
            await self.serve(list(listeners))

    def stop(self) -> None:
        """End `serve_on`: no new connections, and little time for the open ones."""
        self.should_exit = True
        self._stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Prepare uvicorn; `main_loop` accepts."""
        self._listeners = sockets or []
        await super().startup([])

    async def main_loop(self) -> None:
        """Accept until `stop`."""
        await self.on_tick(0)  # sets the headers of every response
        async with anyio.create_task_group() as tasks:
            for listener in self._listeners:
                tasks.start_soon(self._accept_on, listener)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    async def _accept_on(self, listener: socket.socket) -> None:
        """Accept here instead of in the event loop, which takes more at once than there may be descriptors."""
        loop, state = asyncio.get_running_loop(), self.server_state
        listener.setblocking(False)
        with Acceptor(listener, REFUSAL) as acceptor:
            while True:
                connection = await acceptor.accept()
                made = partial(
                    LimitedProtocol,
                    self._admission,
                    config=self.config,
                    server_state=state,
                    app_state={},
                )
                try:
                    await loop.connect_accepted_socket(made, connection)
                except OSError:  # the caller is gone
                    connection.close()
                if self._admission.is_full:
                    await anyio.sleep(FULL_SECONDS)

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
