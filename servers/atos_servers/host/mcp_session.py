"""MCP's stdio framing over one Unix-socket connection, answered by one FastMCP server.

    socket --lines--> [reader] --messages--> low-level server --messages--> [writer] --lines--> socket

The low-level server decides by the first request which protocol era the connection speaks. A line
that can't be parsed is answered with a JSON-RPC error. When the peer closes its end, the server cancels
what is still running for it.
"""

from __future__ import annotations

import contextlib
import json
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp import FastMCP
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from atos_protocol.host_protocol import MAX_LINE_BYTES
from atos_servers.host.direct_calls import DirectCalls
from atos_servers.host.line_stream import LineStream
from atos_servers.host.reply_lines import bounded, error_line

FLUSH_SECONDS = 1.0
"""How long a peer that stopped reading may delay the end of its connection."""

Incoming = SessionMessage | Exception


def low_level(server: FastMCP) -> Server[Any]:
    """Return the SDK server inside; private in fastmcp, hence the exact pin and a contract test."""
    return server._mcp_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def lifespan(server: FastMCP) -> AbstractAsyncContextManager[None]:
    """Return the context of the server's lifespan; private in fastmcp like the above."""
    return server._lifespan_manager()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def serve_mcp(server: FastMCP, lines: LineStream) -> None:
    """Serve one connection until the peer closes its end."""
    to_server, server_reads = anyio.create_memory_object_stream[Incoming](32)
    server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](32)
    inner = low_level(server)
    async with anyio.create_task_group() as tasks:
        direct = DirectCalls(server, lines, tasks)
        lines.divert(direct.take)
        tasks.start_soon(_read, lines, to_server, direct)
        tasks.start_soon(_write, lines, from_server)
        await inner.run(server_reads, server_writes, inner.create_initialization_options())
        tasks.cancel_scope.deadline = anyio.current_time() + FLUSH_SECONDS


async def _read(
    lines: LineStream, to_server: MemoryObjectSendStream[Incoming], direct: DirectCalls
) -> None:
    async with to_server, contextlib.aclosing(lines.received()) as received:
        async for line in received:
            await direct.learn()
            message = _parse(line)
            if isinstance(message, bytes):
                await lines.send(message)
                continue
            with contextlib.suppress(anyio.BrokenResourceError):
                await to_server.send(message)


async def _write(lines: LineStream, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with from_server:
        async for item in from_server:
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
            if isinstance(item.message, JSONRPCResponse):
                line = bounded(item.message.id, line)
            await lines.send(line)


def _parse(line: bytes | None) -> SessionMessage | bytes:
    """Return the message, or the error line that answers an invalid one."""
    if line is None:
        return error_line(
            None, INVALID_REQUEST, f"a message may have {MAX_LINE_BYTES} bytes at most"
        )
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        try:
            message: Any = json.loads(line)
        except (ValueError, RecursionError):
            return error_line(None, PARSE_ERROR, "the line is not JSON")
        return error_line(
            _id_of(message), INVALID_REQUEST, "the line is not a JSON-RPC 2.0 message"
        )


def _id_of(message: Any) -> str | int | None:
    found = cast("dict[str, Any]", message).get("id") if isinstance(message, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None
