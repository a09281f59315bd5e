"""A server host in miniature, in this process: one FastMCP server behind the opening line."""

import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from fastmcp import FastMCP
from fastmcp.tools import ToolResult

from atos_protocol.errors import BusyError, NotFoundError, from_wire
from atos_servers.host.line_stream import LineStream
from atos_servers.host.mcp_session import serve_mcp
from atos_servers.host.tool_failures import error_result


def make_server(calls: list[str], hanging: anyio.Event) -> FastMCP:
    """A server with a tool that answers, one that fails, and one that hangs."""
    server = FastMCP("double")

    @server.tool
    async def echo(text: str) -> dict[str, str]:
        calls.append(text)
        return {"text": text}

    @server.tool
    async def fail() -> ToolResult:
        return error_result(NotFoundError("no goal g9", next_step="List them."))

    @server.tool
    async def hang() -> dict[str, str]:
        calls.append("hang")
        hanging.set()
        await anyio.sleep_forever()
        return {}

    return server


class LineHost:
    """Serves connections until it is stopped; can drop them all, as a killed host would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[str] = []
        self.hanging = anyio.Event()
        self.openings: list[dict[str, Any]] = []
        self.refuse: dict[str, str] | None = None
        self.room = 1000
        """So many connections it serves at once."""
        self._served = 0
        self._server = make_server(self.calls, self.hanging)
        self._live: set[SocketStream] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["LineHost"]:
        """Listen while the block runs."""
        self.path.unlink(missing_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        async with (
            await anyio.create_unix_listener(self.path) as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, self._serve)
            yield self
            tasks.cancel_scope.cancel()

    async def drop_connections(self) -> None:
        """End every connection in the middle of whatever it does; its own task closes it."""
        for stream in list(self._live):
            with contextlib.suppress(OSError):
                stream.extra(SocketAttribute.raw_socket).shutdown(socket.SHUT_RDWR)

    async def _serve(self, stream: SocketStream) -> None:
        self._live.add(stream)
        async with stream:
            wire = LineStream(stream)
            try:
                opening = await wire.receive()
            except anyio.EndOfStream:
                return  # somebody only asked whether anyone listens
            self.openings.append(json.loads(opening or b"{}"))
            if self.refuse is not None:
                refusal = {"atos": 1, "error": from_wire(self.refuse).to_wire()}
                await wire.send(json.dumps(refusal).encode())
                return
            if self._served >= self.room:
                full = {"atos": 1, "error": BusyError("no room").to_wire()}
                await wire.send(json.dumps(full).encode())
                return
            self._served += 1
            try:
                await serve_mcp(self._server, wire)
            finally:
                self._served -= 1
        self._live.discard(stream)
