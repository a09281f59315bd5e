"""Calls of tools that only take arguments and return: answered beside the SDK, at a fraction of its cost.

For a read of 240 bytes the SDK's and fastmcp's layers take ten times as long as the read: a dozen tasks, streams and
copies of the message serve progress, questions to the client, tasks and tracing, none of which such a tool uses. So
the connection looks at each line first:

    line --(handshake done, `tools/call`, a direct tool, well formed)--> worker thread: tool -> gate -> line
      |                                                          `---> a task, for a tool that waits (grep)
      +--(anything else)--> SDK -> fastmcp -> middleware -> gate -> tool

A worker checks the arguments, runs the tool and writes the answer, so that the event loop turns once for each call.
Both ways end in the same gate and tool, and answer alike (`tests/servers/host/test_direct_calls.py`). What is in any way
odd goes the other way, so there is one place that refuses it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any, cast

import anyio
import pydantic_core
from anyio import from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token
from fastmcp import FastMCP
from fastmcp.exceptions import ValidationError
from fastmcp.tools import FunctionTool, ToolResult
from fastmcp.utilities.types import get_cached_typeadapter
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from atos_servers.host.call_gate import CallGate, without_extras
from atos_servers.host.line_stream import LineStream
from atos_servers.host.reply_lines import bounded, reply
from atos_servers.host.tool_failures import error_result, explained
from atos_servers.host.tool_middleware import ToolMiddleware

MODULES = frozenset({"atos_servers.filesystem.server"})
"""Their tools only take arguments and return."""
MODERN = "io.modelcontextprotocol/protocolVersion"
"""In `_meta` of every request of the era without a handshake, which is left to the SDK."""
MOST_AT_ONCE = 64
"""Of one connection; further calls go through the SDK, which queues them."""


WORKERS = ThreadPoolExecutor(40, "direct-call")
"""Of all connections; a file system that hangs holds some of them."""
LOOK_SECONDS = 5.0
"""How often it is looked whether a call in a worker is late."""


@dataclass(frozen=True, slots=True)
class DirectTool:
    """A tool, its arguments' check, and whether it waits in the event loop rather than in a thread."""

    tool: FunctionTool
    adapter: TypeAdapter[Any]
    waits: bool

    def begin(self, arguments: Mapping[str, Any]) -> Any:
        """Check the arguments and call it; one that waits returns what is to be awaited.

        Raises:
            ValidationError: it can't be called like that.
        """
        kept = without_extras(arguments, self.tool.parameters)
        try:
            return self.adapter.validate_python(kept)
        except PydanticError as error:
            raise ValidationError(str(error)) from error


@dataclass(slots=True, eq=False)
class Call:
    """One well-formed call of a direct tool."""

    identity: str | int
    tool: DirectTool
    arguments: Mapping[str, Any]
    began: float = field(default_factory=time.monotonic)
    """In monotonic seconds."""
    scope: anyio.CancelScope | None = None
    """Of a call that waits."""
    _ended: Lock = field(default_factory=Lock)

    @property
    def name(self) -> str:
        """The tool's."""
        return self.tool.tool.name

    def end(self) -> bool:
        """Tell whether it was not answered or cancelled before, from any thread; whoever asks first does that."""
        return self._ended.acquire(blocking=False)


class DirectCalls:
    """The direct calls of one connection.

    Args:
        server: whose tools are called.
        lines: where answers are written.
        tasks: where calls that wait run; they end with it.
    """

    def __init__(self, server: FastMCP, lines: LineStream, tasks: TaskGroup) -> None:
        self._server, self._lines, self._tasks = server, lines, tasks
        self._gate = _gate(server)
        self._token = current_token()
        self._context = copy_context()
        self._tools: Mapping[str, DirectTool] | None = None
        self._running: dict[str | int, Call] = {}
        self._looks = False
        self._seen = 0
        self._handshake = self._open = False

    async def learn(self) -> None:
        """List the tools, if the first line was a handshake's: before it is answered."""
        if self._handshake and self._tools is None:
            self._tools = await _direct_tools(self._server)

    def take(self, line: bytes) -> bool:
        """Begin to answer a line, if it is a direct call; False leaves it to the SDK."""
        if not self._open:
            self._look_at_handshake(line)
            return False
        if self._tools is None:
            return False
        if self._running and b'"notifications/cancelled"' in line:
            return self._cancel(line)
        if b'"tools/call"' not in line or len(self._running) >= MOST_AT_ONCE:
            return False
        if (call := self._call(line, self._tools)) is None:
            return False
        self._running[call.identity] = call
        if call.tool.waits:
            self._tasks.start_soon(self._wait, call)
        else:
            WORKERS.submit(self._context.copy().run, self._work, call)
            if not self._looks:
                self._looks = True
                self._tasks.start_soon(self._end_late_ones)
        return True

    def _look_at_handshake(self, line: bytes) -> None:
        self._seen += 1
        if self._seen == 1:
            self._handshake = _request(line).get("method") == "initialize"
        elif self._handshake:
            self._open = _request(line).get("method") == "notifications/initialized"

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
        return Call(identity, tool, cast("dict[str, Any]", arguments))

    def _cancel(self, line: bytes) -> bool:
        request = _request(line)
        if request.get("method") != "notifications/cancelled":
            return False
        identity = _object(request.get("params")).get("requestId")
        call = self._running.get(identity) if isinstance(identity, str | int) else None
        if call is None:
            return False
        if self._ends(call) and call.scope is not None:
            call.scope.cancel()
        return True

    def _work(self, call: Call) -> None:
        """Answer a call, in a worker thread."""
        try:
            result = self._gate.passed(call.tool.begin(call.arguments))
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer
            result = error_result(explained(call.name, error, call.tool.tool.parameters))
        if self._ends(call) and not self._lines.write(_line(call, result)):
            from_thread.run_sync(self._tasks.start_soon, self._lines.flush, token=self._token)

    async def _wait(self, call: Call) -> None:
        """Answer a call of a tool that waits."""

        async def run() -> ToolResult:
            return await call.tool.begin(call.arguments)

        with anyio.CancelScope() as call.scope:
            if self._running.get(call.identity) is not call:
                return  # cancelled before it began
            result = await self._gate.answer(call.name, run)
            if self._ends(call):
                await self._lines.send(_line(call, result))

    def _ends(self, call: Call) -> bool:
        """Tell whether it is for the caller of this to answer or cancel a call, which does not run any more then."""
        if not call.end():
            return False
        del self._running[call.identity]
        return True

    async def _end_late_ones(self) -> None:
        """Answer what is stuck in a worker, such as a read of a network's file system that hangs."""
        while self._running:
            await anyio.sleep(LOOK_SECONDS)
            late = time.monotonic() - self._gate.seconds
            for call in list(self._running.values()):
                if not call.tool.waits and call.began < late and self._ends(call):
                    await self._lines.send(_line(call, self._gate.late(call.name)))
        self._looks = False


async def _direct_tools(server: FastMCP) -> Mapping[str, DirectTool]:
    return {
        tool.name: DirectTool(tool, get_cached_typeadapter(tool.fn), iscoroutinefunction(tool.fn))
        for tool in await server.list_tools()
        if isinstance(tool, FunctionTool) and tool.fn.__module__ in MODULES
    }


def _line(call: Call, result: ToolResult) -> bytes:
    return bounded(call.identity, reply(call.identity, result))


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
