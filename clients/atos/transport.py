"""A FastMCP transport over the server host's Unix socket.

The socket speaks MCP's stdio framing (one JSON-RPC message a line) behind one opening line that
names the server and the directories it may touch, so a connection costs no process and no HTTP.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Unpack

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp.client.transports.base import ClientTransport, SessionKwargs, TransportOptions
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError

from atos_protocol.daemons import check_server
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.host_protocol import MAX_LINE_BYTES, Opening, refused

CONNECT_SECONDS = 5.0

Incoming = SessionMessage | Exception


class SocketTransport(ClientTransport):
    """Connects a FastMCP `Client` to one of the servers behind the host's Unix socket."""

    def __init__(
        self, socket: Path, server: str, *, roots: Sequence[Path] = (), client: str = "python"
    ) -> None:
        self._socket = socket
        self._opening = Opening(server, client, tuple(map(str, roots))).line()
        self.refusal: AtosError | None = None
        """Why the host turned the connection down, if it did."""

    @contextlib.asynccontextmanager
    async def connect_session(
        self,
        *,
        transport_options: TransportOptions | None = None,
        **session_kwargs: Unpack[SessionKwargs],
    ) -> AsyncGenerator[ClientSession]:
        """Connect, and yield a session that is not initialized yet.

        Raises:
            UnreachableError: nobody listens at the socket.
            BadConfigError: another user listens there.
        """
        options = transport_options or TransportOptions()
        connection = await self._connect()
        to_session, session_reads = anyio.create_memory_object_stream[Incoming](32)
        session_writes, from_session = anyio.create_memory_object_stream[SessionMessage](32)
        async with connection, session_reads, session_writes, anyio.create_task_group() as tasks:
            tasks.start_soon(self._receive, connection, to_session)
            tasks.start_soon(_send, connection, from_session)
            async with options.session_class(
                read_stream=session_reads, write_stream=session_writes, **session_kwargs
            ) as session:
                yield session
            tasks.cancel_scope.cancel()

    async def _connect(self) -> SocketStream:
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                connection = await anyio.connect_unix(self._socket)
                try:
                    check_server(connection.extra(SocketAttribute.raw_socket), self._socket)
                    await connection.send(self._opening)
                except BaseException:  # the host may die before it has read the opening line
                    await anyio.aclose_forcefully(connection)
                    raise
                return connection
        except (OSError, TimeoutError, anyio.BrokenResourceError) as error:
            why = error.__cause__ or error
            message = f"the server host does not answer at {self._socket}: {why}"
            raise UnreachableError(message, next_step="Start it: `atos-client up`.") from error

    async def _receive(
        self, connection: SocketStream, to_session: MemoryObjectSendStream[Incoming]
    ) -> None:
        """Hand every message to the session; the end of the connection closes its stream."""
        lines = BufferedByteReceiveStream(connection)
        async with to_session:
            with contextlib.suppress(
                anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError
            ):
                while True:
                    line = await lines.receive_until(b"\n", MAX_LINE_BYTES)
                    await to_session.send(self._parse(line))

    def _parse(self, line: bytes) -> Incoming:
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValidationError as invalid:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self.refusal = refused(json.loads(line))
            return invalid

    def __repr__(self) -> str:
        """Name the socket, for error messages of the client."""
        return f"<SocketTransport {self._socket}>"


async def _send(
    connection: SocketStream, from_session: MemoryObjectReceiveStream[SessionMessage]
) -> None:
    """Write every message of the session; a broken connection ends the session's stream."""
    async with from_session:
        with contextlib.suppress(anyio.BrokenResourceError, OSError):
            async for item in from_session:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await connection.send(text.encode() + b"\n")
