"""The joint between FastMCP and what every ATOS call passes through (`call_gate.py`, `tool_failures.py`)."""

from __future__ import annotations

import logging
<<<<<<< HEAD
from collections import Counter
=======
import secrets
from collections.abc import Mapping
from typing import Any
>>>>>>> hosts

from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError
from fastmcp.resources import ResourceResult
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp import MCPError
from mcp.types import INTERNAL_ERROR, CallToolRequestParams, ReadResourceRequestParams

<<<<<<< HEAD
from atos_protocol.errors import MCP_META_KEY
from atos_servers.host.call_gate import CALL_SECONDS, N8N_EXTRAS, CallGate, without_extras
from atos_servers.host.tool_failures import foreseen, masked
=======
from atos_protocol import errors
from atos_protocol.errors import MCP_META_KEY, AtosError
from atos_servers.host.connection import MODEL_CLIENTS, client
from atos_servers.host.reply_limit import fit
from atos_servers.host.right_call import right_call

CALL_SECONDS = 45.0
"""Longest tool call, in seconds: Claude Desktop and n8n give a call up after 60."""

N8N_EXTRAS = frozenset({"toolCallId", "sessionId", "action", "chatInput"})
"""What n8n's AI agent adds to the arguments of any tool."""

logger = logging.getLogger(__name__)
>>>>>>> hosts

Call = MiddlewareContext[CallToolRequestParams]
Read = MiddlewareContext[ReadResourceRequestParams]

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

        async def run() -> ToolResult:
            return await call_next(await self._without_extras(context))

        return await self.gate.answer(context.message.name, run)

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
            raise MCPError(INTERNAL_ERROR, told.to_text(), wire) from error

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

<<<<<<< HEAD
=======
    async def _explain(self, name: str, error: Exception) -> AtosError:
        if (foreseen := _foreseen(error)) is not None:
            return foreseen
        if isinstance(error, NotFoundError):
            known = ", ".join(tool.name for tool in await self._server.list_tools())
            return errors.NotFoundError(f"there is no tool {name!r}", next_step=f"Use: {known}.")
        if isinstance(error, ValidationError):
            tool = await self._server.get_tool(name)
            return _bad_arguments(name, error.__cause__, tool.parameters if tool else {})
        if isinstance(error, ToolError) and error.__cause__ is None:
            return AtosError(str(error))  # a tool's own words
        return _masked(name, error)


def error_result(error: AtosError) -> ToolResult:
    """Return the result that carries an error: a text for models, an object for programs."""
    text = TextContent(type="text", text=error.to_text())
    return ToolResult(content=[text], meta={MCP_META_KEY: error.to_wire()}, is_error=True)


def text_alone(result: ToolResult) -> ToolResult:
    """Return a result without its structured part, which would be read a second time beside the text."""
    structured = result.structured_content
    if structured is None or result.is_error:
        return result
    content = result.content
    if structured.keys() == {"content"} and isinstance(structured["content"], str):
        content = [TextContent(type="text", text=structured["content"])]
    return ToolResult(content=content, meta=result.meta)


def _foreseen(error: Exception) -> AtosError | None:
    """Return the ATOS error that a failure is, or is the wrapping of."""
    cause = error if isinstance(error, AtosError) else error.__cause__
    return cause if isinstance(cause, AtosError) else None


def _masked(name: str, error: Exception) -> AtosError:
    """Log an unexpected exception under an id, and return an error that names only the id."""
    mark = secrets.token_hex(4)
    logger.error("internal error %s in %s", mark, name, exc_info=error.__cause__ or error)
    return AtosError(
        f"{name} failed with an internal error", next_step=f"Look for {mark} in logs/servers.log."
    )


def _bad_arguments(name: str, cause: BaseException | None, schema: Mapping[str, Any]) -> AtosError:
    problems: list[Any] = cause.errors() if isinstance(cause, PydanticError) else []
    said = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in problems[:5]
    )
    message = f"{name} can't be called like that: {said or cause}"
    known = ", ".join(schema.get("properties", {}))
    step = f"It takes: {known}. A right call: {right_call(name, schema)}"
    return errors.BadRequestError(message, next_step=step)

>>>>>>> hosts

class HandledFailures(logging.Filter):
    """Drops fastmcp's own records of failures that the middleware reports or logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Recognise them by the method that logs: the wording of a message may change."""
        return record.funcName not in HANDLED
