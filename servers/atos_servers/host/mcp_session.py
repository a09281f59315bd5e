"""MCP's stdio framing over one Unix-socket connection, answered by one FastMCP server.

    socket --lines--> [reader] --messages--> low-level server --messages--> [writer] --lines--> socket

The low-level server decides by the first request which protocol era the connection speaks. A line
that can't be parsed is answered with a JSON-RPC error. When the peer closes its end, the server cancels
what is still running for it.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast

import anyio
from anyio.abc import SocketAttribute, SocketStream, UNIXSocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp import FastMCP
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from atos_protocol.host_protocol import MAX_LINE_BYTES, LineSplitter
from atos_servers.host.direct_calls import DirectCalls

CHUNK = 1 << 16
FLUSH_SECONDS = 1.0
"""How long a peer that stopped reading may delay the end of its connection."""

Incoming = SessionMessage | Exception


class LineStream:
    """Lines of limited length over a socket, written by one task at a time."""

    def __init__(self, stream: SocketStream, limit: int = MAX_LINE_BYTES) -> None:
        self._stream = stream
        self._splitter = LineSplitter(limit)
        self._ready: list[bytes | None] = []
        self._writing = anyio.Lock()
        unbuffered = isinstance(stream, UNIXSocketStream)
        self._socket = stream.extra(SocketAttribute.raw_socket) if unbuffered else None

    async def receive(self) -> bytes | None:
        """Return the next line; None stands for one that was too long.

        Raises:
            EndOfStream: the peer has closed its end.
        """
        while not self._ready:
            try:
                self._ready = self._splitter.feed(await self._stream.receive(CHUNK))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise anyio.EndOfStream from error
        return self._ready.pop(0)

    async def received(self) -> AsyncGenerator[bytes | None]:
        """Yield lines until the peer closes its end."""
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                yield await self.receive()

    async def send(self, line: bytes) -> None:
        """Write one line; a peer that is gone is not an error here, because reading ends too."""
        data = line + b"\n"
        sent = 0 if self._writing.locked() else self._send_now(data)
        if sent == len(data):
            return
        async with self._writing:
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._stream.send(data[sent:])

    def _send_now(self, data: bytes) -> int:
        """Write what the socket takes at once, which spares two turns of the event loop; return how much it took.

        Where this is not possible, `send` of the stream tells why.
        """
        if self._socket is None:
            return 0
        with contextlib.suppress(OSError):
            return self._socket.send(data, socket.MSG_DONTWAIT)
        return 0


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
        direct = DirectCalls(server, partial(_answer, lines), tasks)
        tasks.start_soon(_read, lines, to_server, direct)
        tasks.start_soon(_write, lines, from_server)
        await inner.run(server_reads, server_writes, inner.create_initialization_options())
        tasks.cancel_scope.deadline = anyio.current_time() + FLUSH_SECONDS


async def _read(
    lines: LineStream, to_server: MemoryObjectSendStream[Incoming], direct: DirectCalls
) -> None:
    async with to_server, contextlib.aclosing(lines.received()) as received:
        async for line in received:
            if line is not None and await direct.take(line):
                continue
            message = _parse(line)
            if isinstance(message, bytes):
                await lines.send(message)
                continue
            with contextlib.suppress(anyio.BrokenResourceError):
                await to_server.send(message)


async def _answer(lines: LineStream, identity: str | int, line: bytes) -> None:
    await lines.send(_bounded(identity, line))


async def _write(lines: LineStream, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with from_server:
        async for item in from_server:
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
            if isinstance(item.message, JSONRPCResponse):
                line = _bounded(item.message.id, line)
            await lines.send(line)


def _bounded(identity: str | int, line: bytes) -> bytes:
    """Return an answer, or the error that stands for one that is too long."""
    if len(line) <= MAX_LINE_BYTES:
        return line
    text = f"the answer has {len(line)} bytes, more than {MAX_LINE_BYTES}: ask for less"
    return _error(identity, INTERNAL_ERROR, text)


def _parse(line: bytes | None) -> SessionMessage | bytes:
    """Return the message, or the error line that answers an invalid one."""
    if line is None:
        return _error(None, INVALID_REQUEST, f"a message may have {MAX_LINE_BYTES} bytes at most")
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        try:
            message: Any = json.loads(line)
        except (ValueError, RecursionError):
            return _error(None, PARSE_ERROR, "the line is not JSON")
        return _error(_id_of(message), INVALID_REQUEST, "the line is not a JSON-RPC 2.0 message")


def _id_of(message: Any) -> str | int | None:
    found = cast("dict[str, Any]", message).get("id") if isinstance(message, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def _error(identity: str | int | None, code: int, text: str) -> bytes:
    error = {"code": code, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()
