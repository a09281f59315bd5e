"""The same servers over HTTP: streamable HTTP and SSE on one loopback port, behind the guard.

`/{server}/mcp` is streamable HTTP (progress and the answer as a stream, or JSON for who accepts only that; see
`streamable_http.py`), `/{server}/sse` the older SSE with its
`/{server}/messages/`, `/healthz` says `ok`; `/` and `/page/` are the page (`atos_servers.page`). A port that is taken does not keep the host from
starting: stdio works, and the status shows the error.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
from fastmcp.server.http import StarletteWithLifespan, create_sse_app
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from atos_daemon.http_server import HttpServer
from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.errors import ConflictError
from atos_protocol.settings import Settings
from atos_servers.host.callers import Callers
from atos_servers.host.http_guard import Guard
from atos_servers.host.streamable_http import StreamableHttp
from atos_servers.host.suite import Suite
from atos_servers.page.access import PageAccess
from atos_servers.page.application import Page

LOOPBACK = "127.0.0.1"
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """Where the servers answer over HTTP, or why they don't."""

    url: str | None = None
    error: str | None = None
    bridge: str | None = None
    """Where containers reach them, or why they can't; None where nothing was set."""


def bind(settings: Settings) -> socket.socket:
    """Take the loopback port.

    Raises:
        ConflictError: another program has it.
    """
    return _listener(LOOPBACK, settings.http_port)


def bind_bridge(settings: Settings, port: int) -> tuple[list[socket.socket], str | None]:
    """Take the same port of the bridge's address, if one is set; return the socket, and what is said of it."""
    if not settings.bridge_address:
        return [], None
    names = ", ".join(f"http://{name}:{port}" for name in settings.bridge_hosts)
    if settings.bridge_address.startswith("127."):
        return [], names
    try:
        listener = _listener(settings.bridge_address, port)
    except ConflictError as error:
        return [], f"off: {settings.bridge_address}: {error.message}"
    return [listener], f"http://{settings.bridge_address}:{port} ({names})"


def _listener(address: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)  # from here on the kernel keeps callers until they are served
    except OSError as error:
        listener.close()
        message = f"port {port} can't be used: {error.strerror}"
        step = "Set ATOS_HTTP_PORT to a free port and restart; stdio works meanwhile."
        raise ConflictError(message, next_step=step) from error
    return listener


class Routes:
    """Pure ASGI: one path, one app, and what servers added below a path; everything else is 404."""

    def __init__(
        self, suite: Suite, idle: IdleShutdown, below: Mapping[str, ASGIApp] | None = None
    ) -> None:
        self._idle = idle
        self._below = dict(below or {})
        self._apps: dict[str, ASGIApp] = {"/healthz": PlainTextResponse("ok")}
        self._streamable: list[StreamableHttp] = []
        self._sse: list[StarletteWithLifespan] = []
        for name, server in suite.items():
            path, messages = f"/{name}", f"/{name}/messages/"
            streamable = StreamableHttp(server, f"{path}/mcp")
            events = create_sse_app(server, message_path=messages, sse_path=f"{path}/sse")
            self._apps |= {f"{path}/mcp": streamable, f"{path}/sse": events, messages: events}
            self._streamable.append(streamable)
            self._sse.append(events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and count it as activity."""
        missing = PlainTextResponse("no such route", status_code=404)
        with self._idle.use():
            path: str = scope["path"]
            below = (app for start, app in self._below.items() if path.startswith(start))
            await self._apps.get(path, next(below, missing))(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Enter the transports' lifespans, which nothing else does for a mounted app."""
        async with AsyncExitStack() as stack:
            for app in self._streamable:
                await stack.enter_async_context(app.running())
            for events in self._sse:
                await stack.enter_async_context(events.router.lifespan_context(events))
            yield


@asynccontextmanager
async def serving_http(
    suite: Suite,
    settings: Settings,
    idle: IdleShutdown,
    access: PageAccess,
    below: Mapping[str, ASGIApp] | None = None,
) -> AsyncGenerator[HttpStatus]:
    """Serve over HTTP inside; yields the address, or what keeps it from being served."""
    try:
        listener = bind(settings)
    except ConflictError as error:
        yield HttpStatus(error=str(error))
        return
    port: int = listener.getsockname()[1]
    routes = Routes(suite, idle, below)
    identify = Callers(settings).identify
    bridged, said = bind_bridge(settings, port)
    guard = Guard(
        routes,
        identify,
        port,
        settings.http_origins,
        settings.http_rate,
        bridge=settings.bridge_names,
    )
    page = Page(guard, suite, settings, access, port, idle)
    server = HttpServer(page)
    async with routes.running(), aclosing(page), anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve_on, listener, *bridged)
        try:
            yield HttpStatus(url=f"http://{LOOPBACK}:{port}", bridge=said)
        finally:
            server.stop()
