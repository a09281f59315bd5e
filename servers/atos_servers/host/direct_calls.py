"""Calls of tools that only take arguments and return: answered beside the SDK, at a third of its cost.

For a read of 240 bytes the SDK's and fastmcp's layers take ten times as long as the read: a dozen tasks, streams and
copies of the message serve progress, questions to the client, tasks and tracing, none of which such a tool uses. So
the connection looks at each line first:

    line --(handshake done, `tools/call`, a direct tool, well formed)--> gate -> tool -> line
      |
      +--(anything else)--> SDK -> fastmcp -> middleware -> gate -> tool

Both ways end in the same gate and tool, and answer alike (`tests/servers/host/test_direct_calls.py`). What is in any way
odd goes the other way, so there is one place that refuses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import anyio
import pydantic_core
from anyio.abc import TaskGroup
from fastmcp import FastMCP
from fastmcp.exceptions import ValidationError
from fastmcp.tools import FunctionTool, ToolResult
from fastmcp.utilities.types import get_cached_typeadapter
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from atos_servers.host.call_gate import CallGate, without_extras
from atos_servers.host.tool_middleware import ToolMiddleware

MODULES = frozenset({"atos_servers.filesystem.server"})
"""Their tools only take arguments and return."""
MODERN = "io.modelcontextprotocol/protocolVersion"
"""In `_meta` of every request of the era without a handshake, which is left to the SDK."""
MOST_AT_ONCE = 64
"""Of one connection; further calls go through the SDK, which queues them."""


@dataclass(frozen=True, slots=True)
class DirectTool:
    """A tool, its arguments' check and its schema."""

    tool: FunctionTool
    adapter: TypeAdapter[Any]

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Check the arguments and run it.

        Raises:
            ValidationError: it can't be called like that.
        """
        kept = without_extras(arguments, self.tool.parameters)
        try:
            pending: Awaitable[ToolResult] = self.adapter.validate_python(kept)
        except PydanticError as error:
            raise ValidationError(str(error)) from error
        return await pending


@dataclass(frozen=True, slots=True)
class Call:
    """One well-formed call of a direct tool."""

    identity: str | int
    name: str
    tool: DirectTool
    arguments: Mapping[str, Any]


class DirectCalls:
    """The direct calls of one connection.

    Args:
        server: whose tools are called.
        send: writes the line that answers a request.
        tasks: where calls run; they end with it.
    """

    def __init__(
        self, server: FastMCP, send: Callable[[str | int, bytes], Awaitable[None]], tasks: TaskGroup
    ) -> None:
        self._server, self._send, self._tasks = server, send, tasks
        self._gate = _gate(server)
        self._tools: dict[str, DirectTool] | None = None
        self._running: dict[str | int, anyio.CancelScope] = {}
        self._lines = 0
        self._handshake = self._open = False

    async def take(self, line: bytes) -> bool:
        """Begin to answer a line, if it is a direct call; False leaves it to the SDK."""
        self._lines += 1
        if not self._open:
            self._look_at_handshake(line)
            return False
        if self._running and b'"notifications/cancelled"' in line:
            return self._cancel(line)
        if b'"tools/call"' not in line or len(self._running) >= MOST_AT_ONCE:
            return False
        if (call := self._call(line, await self._known())) is None:
            return False
        scope = self._running[call.identity] = anyio.CancelScope()
        self._tasks.start_soon(self._answer, call, scope)
        return True

    def _look_at_handshake(self, line: bytes) -> None:
        if self._lines == 1:
            self._handshake = _request(line).get("method") == "initialize"
        elif self._handshake:
            self._open = _request(line).get("method") == "notifications/initialized"

    async def _known(self) -> Mapping[str, DirectTool]:
        if self._tools is None:
            listed = await self._server.list_tools()
            self._tools = {
                tool.name: DirectTool(tool, get_cached_typeadapter(tool.fn))
                for tool in listed
                if isinstance(tool, FunctionTool) and tool.fn.__module__ in MODULES
            }
        return self._tools

    def _call(self, line: bytes, known: Mapping[str, DirectTool]) -> Call | None:
        request = _request(line)
        identity, params = request.get("id"), _object(request.get("params"))
        name, arguments = params.get("name"), params.get("arguments", {})
        tool = known.get(name) if isinstance(name, str) else None
        if tool is None or request.keys() != {"jsonrpc", "id", "method", "params"}:
            return None
        if request["method"] != "tools/call" or request["jsonrpc"] != "2.0":
            return None
        if not isinstance(identity, str | int) or isinstance(identity, bool):
            return None
        plain = params.keys() <= {"name", "arguments", "_meta"} and isinstance(arguments, dict)
        if not plain or MODERN in _object(params.get("_meta")) or identity in self._running:
            return None
        return Call(identity, tool.tool.name, tool, cast("dict[str, Any]", arguments))

    def _cancel(self, line: bytes) -> bool:
        request = _request(line)
        if request.get("method") != "notifications/cancelled":
            return False
        identity = _object(request.get("params")).get("requestId")
        scope = self._running.get(identity) if isinstance(identity, str | int) else None
        if scope is None:
            return False
        scope.cancel()
        return True

    async def _answer(self, call: Call, scope: anyio.CancelScope) -> None:
        line = b""
        try:
            with scope:
                result = await self._gate.answer(call.name, lambda: call.tool.run(call.arguments))
                line = reply(call.identity, result)
        finally:
            del self._running[call.identity]
        if not scope.cancel_called:  # nobody waits for a cancelled one
            await self._send(call.identity, line)


def reply(identity: str | int, result: ToolResult) -> bytes:
    """Return the line that carries a result, as the SDK would write it."""
    told: dict[str, Any] = {
        "content": [
            block.model_dump(by_alias=True, mode="json", exclude_none=True)
            for block in result.content
        ],
        "isError": result.is_error,
    }
    if result.structured_content is not None:
        told["structuredContent"] = result.structured_content
    if result.meta is not None:
        told["_meta"] = result.meta
    return pydantic_core.to_json({"jsonrpc": "2.0", "id": identity, "result": told})


def _gate(server: FastMCP) -> CallGate:
    return next(
        (each.gate for each in server.middleware if isinstance(each, ToolMiddleware)),
        CallGate(server),
    )


def _request(line: bytes) -> dict[str, Any]:
    """Return a JSON object by the parser that the SDK uses; an empty one for anything else."""
    try:
        return _object(pydantic_core.from_json(line))
    except ValueError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
