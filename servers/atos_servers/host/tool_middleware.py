"""The joint between FastMCP and what every ATOS call passes through (`call_gate.py`, `tool_failures.py`)."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError
from fastmcp.resources import ResourceResult
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    ReadResourceRequestParams,
)

from atos_protocol import errors
from atos_protocol.errors import MCP_META_KEY
from atos_servers.host.call_gate import CALL_SECONDS, N8N_EXTRAS, CallGate, without_extras
from atos_servers.host.heartbeat import heartbeat
from atos_servers.host.tool_failures import foreseen, masked, shortage

Call = MiddlewareContext[CallToolRequestParams]
Read = MiddlewareContext[ReadResourceRequestParams]

logger = logging.getLogger(__name__)

HANDLED = ("call_tool", "read_resource")
"""Methods of FastMCP, whose failures pass through this middleware."""


class ToolMiddleware(Middleware):
    """The middleware of every ATOS server."""

    def __init__(
        self,
        server: FastMCP,
        *,
        seconds: float = CALL_SECONDS,
        plain: bool = False,
        dropped: Counter[str] | None = None,
    ) -> None:
        """Remember the server.

        Args:
            server: whose calls pass through.
            seconds: longest call.
            plain: results are text alone, for models and nobody else.
            dropped: given, arguments that the tool does not have are dropped and counted here by name: for
                clients that merge their own fields in. Otherwise only those of `N8N_EXTRAS` are dropped.
        """
        self._server = server
        self._dropped = dropped
        self.gate = CallGate(server, seconds=seconds, plain=plain)

    async def on_call_tool(
        self, context: Call, call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        """Run one tool call; every failure leaves as a result that a model can act on."""
        asked = context.fastmcp_context
        report = asked.report_progress if asked is not None else None

        async def run() -> ToolResult:
            async with heartbeat(context.message.name, report):
                return await call_next(await self._without_extras(context))

        return await self.gate.answer(context.message.name, run)

    async def on_request(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Any:
        """Say that the machine is short of something, such as descriptors, whatever was asked for."""
        try:
            return await call_next(context)
        except OSError as error:
            if (short := shortage(error)) is None:
                raise
            logger.warning("%s can't be done now: %s", context.method, error)
            wire = {MCP_META_KEY: short.to_wire()}
            raise MCPError(INTERNAL_ERROR, short.to_text(), wire) from error

    async def on_read_resource(
        self, context: Read, call_next: CallNext[ReadResourceRequestParams, ResourceResult]
    ) -> ResourceResult:
        """Read a resource; a failure says what happened, as a tool's does."""
        try:
            return await call_next(context)
        except (MCPError, NotFoundError):
            raise  # the protocol has an error of its own for a resource that does not exist
        except Exception as error:
            told = foreseen(error) or masked(str(context.message.uri), error)
            wire = {MCP_META_KEY: told.to_wire()}
            # What is not there is, in the protocol's words, a parameter that is wrong.
            absent = isinstance(told, errors.NotFoundError)
            code = INVALID_PARAMS if absent else INTERNAL_ERROR
            raise MCPError(code, told.to_text(), wire) from error

    async def _without_extras(self, context: Call) -> Call:
        """Drop what the client merged in, and null: some clients send every argument that they know of."""
        arguments = context.message.arguments or {}
        usual = self._dropped is None and not N8N_EXTRAS & arguments.keys()
        if usual and None not in arguments.values():
            return context
        if (tool := await self._server.get_tool(context.message.name)) is None:
            return context
        kept = without_extras(arguments, tool.parameters, self._dropped)
        return context.copy(message=context.message.model_copy(update={"arguments": kept}))


class HandledFailures(logging.Filter):
    """Drops fastmcp's own records of failures that the middleware reports or logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Recognise them by the method that logs: the wording of a message may change."""
        return record.funcName not in HANDLED
