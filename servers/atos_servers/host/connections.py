"""Connections to the host's Unix socket, from the opening line to the end."""

from __future__ import annotations

import json
import logging
from contextlib import nullcontext

import anyio
from anyio.abc import SocketStream

from atos_protocol.errors import AtosError
from atos_protocol.host_protocol import HOST, PROTOCOL, Opening, parse_opening, refusal
from atos_servers.host.connection import connected, connection_of
from atos_servers.host.control import HostControl
from atos_servers.host.idle_shutdown import IdleShutdown
from atos_servers.host.manifest import describe
from atos_servers.host.mcp_session import LineStream, serve_mcp
from atos_servers.host.suite import Suite

OPENING_SECONDS = 10.0
"""How long a connection may take to say what it wants."""

logger = logging.getLogger(__name__)


class Connections:
    """Serves any number of connections; one that fails is nobody else's business."""

    def __init__(
        self, suite: Suite, idle_shutdown: IdleShutdown, control: HostControl, manifest: str
    ) -> None:
        self._suite = suite
        self._idle_shutdown = idle_shutdown
        self._control = control
        self._manifest = manifest

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection."""
        async with stream:
            wire = LineStream(stream)
            try:
                with anyio.fail_after(OPENING_SECONDS):
                    opening = parse_opening(await wire.receive())
            except AtosError as error:
                await wire.send(refusal(error))
                return
            except (anyio.EndOfStream, TimeoutError):
                return
            try:
                await self._opened(opening, wire)
            except Exception:
                logger.exception("a connection to %s failed", opening.server)

    async def _opened(self, opening: Opening, wire: LineStream) -> None:
        if opening.server == HOST:
            return await self._control.serve(wire)
        # The worker's own connections are no reason to stay up: the goals that run are.
        counted = nullcontext() if opening.client == "worker" else self._idle_shutdown.one()
        with counted, connected(connection_of(opening)):
            if opening.manifest:
                await wire.send(await self._greeting(opening))
            await serve_mcp(self._suite[opening.server], wire)

    async def _greeting(self, opening: Opening) -> bytes:
        """Return the line that tells a shim which tools it should advertise."""
        same = opening.manifest == self._manifest
        answers = None if same else await describe(self._suite[opening.server])
        return json.dumps({"atos": PROTOCOL, "digest": self._manifest, "answers": answers}).encode()
