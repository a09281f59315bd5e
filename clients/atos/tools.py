"""One supervised client for every MCP server of the host.

A FastMCP client stays broken once its connection is lost, so a lost one is thrown away and the next
call connects anew, starting the host if need be and allowed. A call that was in flight is sent again only where
the caller says that this is harmless.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import anyio
import anyio.to_thread
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from mcp import MCPError
from mcp.types import TextContent

from atos.transport import SocketTransport
from atos_protocol.daemons import START_SECONDS, ensure, is_up
from atos_protocol.errors import (
    MCP_META_KEY,
    AtosError,
    BusyError,
    DeadlineError,
    UnreachableError,
    from_wire,
)
from atos_protocol.settings import Settings

CALL_SECONDS = 60.0
"""No call of an ATOS tool lasts longer than 45 s; past this the connection is taken for dead."""

CLOSE_SECONDS = 2.0
LOOK_SECONDS = 0.05
"""How often a client that starts no host looks whether there is one."""
ATTEMPTS = 3

_Key = tuple[str, tuple[Path, ...]]


class ToolClient:
    """Calls tools by server and name; use as an async context manager.

    Args:
        settings: whose host is called.
        client: who calls, as the host is told.
        start: whether a missing host is started. A worker does not: its host is its parent, so one that does not answer
            is still starting, or has ended and takes the worker along; another one, started by a worker that ends
            itself, would be in the way of whoever starts the next.
    """

    def __init__(self, settings: Settings, *, client: str = "python", start: bool = True) -> None:
        self._settings = settings
        self._who = client
        self._start = start
        self._open: dict[_Key, Client[SocketTransport]] = {}
        self._calls = Counter[_Key]()
        """Calls in flight, by connection."""
        self._lent: set[_Key] = set()
        """Connections that were handed out by `client`."""
        self._connecting = anyio.Lock()

    @property
    def home(self) -> Path:
        """Whose daemons are called."""
        return self._settings.home

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for key in list(self._open):
            await self._drop(key)

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        roots: Sequence[Path] = (),
        resend: bool = True,
    ) -> dict[str, Any]:
        """Call a tool and return its structured result; see `reply`."""
        found = await self.reply(server, tool, arguments, roots=roots, resend=resend)
        return found.structured_content or {}

    async def reply(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        roots: Sequence[Path] = (),
        resend: bool = True,
    ) -> CallToolResult:
        """Call a tool and return its result, text and structure.

        Args:
            server: one of the five servers.
            tool: the tool's name on that server.
            arguments: as the tool's input schema says.
            roots: absolute directories that the server may touch for this caller.
            resend: call again if the connection is lost while the call is in flight; set it to
                False for tools that must not run twice.

        Raises:
            UnreachableError: the host can't be started (or does not come), or was lost and `resend` is False.
            AtosError: the tool failed; its class comes from the code in the answer.
        """
        key = server, tuple(roots)
        for attempt in range(ATTEMPTS):
            try:
                client = await self._client(key)
            except UnreachableError:
                if attempt + 1 == ATTEMPTS:
                    raise
                continue
            try:
                with self._in_flight(key), anyio.fail_after(CALL_SECONDS):
                    result = await client.call_tool(tool, dict(arguments), raise_on_error=False)
            except TimeoutError as error:
                await self._drop(key, client)
                message = f"{server}.{tool} did not answer within {CALL_SECONDS:.0f} s"
                raise DeadlineError(message, next_step="Look at logs/servers.log.") from error
            except (MCPError, RuntimeError, OSError, anyio.BrokenResourceError) as error:
                if isinstance(error, MCPError) and client.is_connected() and not _lost(error):
                    raise _protocol_error(error) from error
                await self._drop(key, client)
                if not resend or attempt + 1 == ATTEMPTS:
                    message = f"the connection was lost during {server}.{tool}: {error}"
                    raise UnreachableError(message, next_step="Ask again.") from error
            else:
                if result.is_error:
                    raise tool_error(result)
                return result
        raise AssertionError  # the loop returns or raises

    async def client(self, server: str, *, roots: Sequence[Path] = ()) -> Client[SocketTransport]:
        """Return the connected FastMCP client of one server, for whatever `call` doesn't offer.

        Raises:
            UnreachableError: the host can't be started.
        """
        key = server, tuple(roots)
        self._lent.add(key)
        return await self._client(key)

    async def _client(self, key: _Key) -> Client[SocketTransport]:
        async with self._connecting:
            if (known := self._open.get(key)) and known.is_connected():
                return known
            await self._drop(key)
            await self._host()
            try:
                client = await self._connected(key)
            except BusyError:
                # Tasks that hold a connection each and wait for another would wait for each other.
                if not await self._drop_idle():
                    raise
                client = await self._connected(key)
            self._open[key] = client
            return client

    async def _host(self) -> None:
        """Return when the host answers."""
        if self._start:
            return await anyio.to_thread.run_sync(ensure, "servers", self._settings)
        with anyio.move_on_after(START_SECONDS):  # then the connection fails, and says so
            while not is_up("servers", self._settings):  # noqa: ASYNC110 - another process's doing
                await anyio.sleep(LOOK_SECONDS)

    async def _connected(self, key: _Key) -> Client[SocketTransport]:
        server, roots = key
        socket = self._settings.servers_socket
        transport = SocketTransport(socket, server, roots=roots, client=self._who)
        client = Client(transport)
        try:
            await client.__aenter__()
        except (MCPError, RuntimeError, OSError) as error:
            if transport.refusal is not None:
                raise transport.refusal from error
            message = f"the {server} server did not take the connection: {error}"
            raise UnreachableError(message, next_step="Ask again.") from error
        return client

    async def release(self, roots: Sequence[Path]) -> None:
        """Close the connections that were opened for these directories, once they are done with."""
        for key in [k for k in self._open if k[1] == tuple(roots)]:
            self._lent.discard(key)
            await self._drop(key)

    @contextlib.contextmanager
    def _in_flight(self, key: _Key) -> Generator[None]:
        self._calls[key] += 1
        try:
            yield
        finally:
            self._calls[key] -= 1
            if not self._calls[key]:
                del self._calls[key]

    async def _drop_idle(self) -> bool:
        """Close the connections that nobody uses now; return whether there were any."""
        idle = [k for k in self._open if not self._calls[k] and k not in self._lent]
        for key in idle:
            await self._drop(key)
        return bool(idle)

    async def _drop(self, key: _Key, only: Client[SocketTransport] | None = None) -> None:
        """Forget a client; closing a broken one fails, and that is all one can do about it.

        Args:
            key: of its connection.
            only: nothing is done if another call has put a new one in its place already.
        """
        if only is not None and self._open.get(key) is not only:
            return
        client = self._open.pop(key, None)
        if client is not None:
            with contextlib.suppress(Exception), anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await client.close()


def tool_error(result: CallToolResult) -> AtosError:
    """Return the error that a failed tool's result carries; a foreign tool's has only its text."""
    if (wire := (result.meta or {}).get(MCP_META_KEY)) is not None:
        return from_wire(wire)
    return AtosError(
        " ".join(part.text for part in result.content if isinstance(part, TextContent))
    )


def _protocol_error(error: MCPError) -> AtosError:
    data: Any = error.data
    if isinstance(data, dict) and MCP_META_KEY in data:
        return from_wire(cast("dict[str, Any]", data)[MCP_META_KEY])
    return AtosError(str(error))


def _lost(error: MCPError) -> bool:
    return "closed" in str(error).lower()
