"""The loopback ports of named clients: opened, closed, and opened again when the daemon starts."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import replace

from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Receive, Scope, Send

from atos_daemon.descriptors import FEWEST, connections_per_listener
from atos_daemon.http_admission import Admission
from atos_daemon.http_server import HttpServer
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_scheduler.gateway.clients import MOST_CLIENTS, ClientFile, GatewayClient

logger = logging.getLogger(__name__)

FIRST_PORT, PORTS = 11440, 60
"""Where a port is looked for, if none is named: near Ollama's, and easily told from it."""
BACKLOG = 64


class Switch:
    """Passes requests to an application that can be replaced while its port stays open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.app(scope, receive, send)


class ClientPorts:
    """Every named client of one home, and who of them listens.

    Args:
        file: what is remembered.
        group: where the servers run.
        make_app: the application of one client.
        bridge: a further address to listen at, for containers; empty: none.
        taken: ports that none of them may have, such as that of the Ollama server behind us.
    """

    def __init__(
        self,
        file: ClientFile,
        group: TaskGroup,
        make_app: Callable[[GatewayClient], ASGIApp],
        taken: frozenset[int] = frozenset(),
        bridge: str = "",
    ) -> None:
        self._file = file
        self._group = group
        self._make_app = make_app
        self._taken = taken
        self._bridge = bridge
        self._clients: dict[str, GatewayClient] = {}
        self._servers: dict[str, HttpServer] = {}
        self._switches: dict[str, Switch] = {}
        self._why: dict[str, str] = {}
        """Client -> why nobody listens for it."""

    def open_all(self) -> None:
        """Open the port of every client that is remembered; one that can't be had is logged.

        Raises:
            BadConfigError: what is remembered can't be understood.
        """
        for client in self._file.read():
            self._clients[client.name] = client
            try:
                self._listen(client)
            except ConflictError as error:
                self._why[client.name] = error.message
                logger.warning("no port for client %s: %s", client.name, error)

    async def any_on(self) -> bool:
        """Tell whether there are clients, so that the daemon stays for them."""
        return bool(self._clients)

    def listed(self) -> list[tuple[GatewayClient, str]]:
        """Return the clients by name, each with why nobody listens for it; empty where somebody does."""
        names = sorted(self._clients)
        return [(self._clients[name], self._why.get(name, "")) for name in names]

    def turn_on(self, client: GatewayClient) -> GatewayClient:
        """Give a client its port, or change what it is; return it with its port.

        Raises:
            BadRequestError: a value can't be kept, or there are too many clients.
            ConflictError: the port is taken.
        """
        before = self._clients.get(client.check().name)
        if before is None and len(self._clients) >= MOST_CLIENTS:
            message = f"there are {MOST_CLIENTS} clients already"
            raise BadRequestError(message, next_step="Turn one off: atos-client gateway off NAME")
        wanted = client.port or (before.port if before else 0)
        if before and wanted == before.port and client.name in self._servers:
            known = replace(client, port=wanted)
            self._switches[client.name].app = self._make_app(known)
        else:
            known = self._listen(replace(client, port=wanted))
        self._clients[known.name] = known
        self._why.pop(known.name, None)
        self._file.write(list(self._clients.values()))
        return known

    def turn_off(self, name: str) -> GatewayClient:
        """Close a client's port and forget the client.

        Raises:
            NotFoundError: there is none of this name.
        """
        if (client := self._clients.pop(name, None)) is None:
            known = ", ".join(sorted(self._clients)) or "none"
            message = f"there is no client {name[:60]!r}"
            raise NotFoundError(message, next_step=f"Known are: {known}.")
        self._close(name)
        self._why.pop(name, None)
        self._file.write(list(self._clients.values()))
        return client

    def close(self) -> None:
        """Stop listening; what is remembered stays."""
        for name in list(self._servers):
            self._close(name)

    def _listen(self, client: GatewayClient) -> GatewayClient:
        listener = self._bound(client)
        listeners = [listener, *self._bridged(listener.getsockname()[1])]
        known = replace(client, port=listener.getsockname()[1])
        room = Admission(max(FEWEST, connections_per_listener() // 4))
        switch = Switch(self._make_app(known))
        server = HttpServer(switch, room)
        self._close(known.name)  # the port that it had before
        self._servers[known.name], self._switches[known.name] = server, switch
        self._group.start_soon(_serve, server, listeners)
        logger.info("client %s has port %d", known.name, known.port)
        return known

    def _close(self, name: str) -> None:
        if (server := self._servers.pop(name, None)) is not None:
            server.stop()

    def _bound(self, client: GatewayClient) -> socket.socket:
        if client.port:
            return self._bind(client.port)
        used = {known.port for known in self._clients.values()}
        for port in range(FIRST_PORT, FIRST_PORT + PORTS):
            if port not in used:
                try:
                    return self._bind(port)
                except ConflictError:
                    continue
        message = f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free"
        raise ConflictError(message, next_step="Name one with --port.")

    def _bridged(self, port: int) -> list[socket.socket]:
        """Listen at the bridge too; a client in a container is told nothing where that can't be had."""
        if not self._bridge:
            return []
        try:
            return [self._bind(port, self._bridge)]
        except ConflictError as error:
            logger.warning("no port for containers at %s: %s", self._bridge, error)
            return []

    def _bind(self, port: int, address: str = "127.0.0.1") -> socket.socket:
        """Listen on a port of loopback, or of the bridge.

        Raises:
            ConflictError: somebody else does, or it belongs to the server behind us.
        """
        if port in self._taken:
            message = f"port {port} is where ATOS looks for an Ollama server"
            step = "Take another one, or see `atos-client gateway takeover`."
            raise ConflictError(message, next_step=step)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            message = f"port {port} can't be had: {os.strerror(error.errno or 0)}"
            raise ConflictError(message, next_step="Take another one with --port.") from error
        return listener


async def _serve(server: HttpServer, listeners: list[socket.socket]) -> None:
    with contextlib.ExitStack() as held:
        await server.serve_on(*(held.enter_context(listener) for listener in listeners))
