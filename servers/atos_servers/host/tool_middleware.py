"""What every tool call passes through, whichever server and transport it came by.

An error leaves as a result with `isError`: one text that says what happened and what to do next, and
the error itself as an object in `_meta` (`atos_protocol.errors`), never as structured content, which
TypeScript SDK 1.x holds against the tool's output schema even then. Unexpected exceptions are masked,
under an id that stands in the log; arguments that n8n adds are dropped; no call outlasts the
shortest patience among the MCP hosts.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import anyio
from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError, ToolError, ValidationError
from fastmcp.resources import ResourceResult
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp import MCPError
from mcp.types import INTERNAL_ERROR, CallToolRequestParams, ReadResourceRequestParams, TextContent
from pydantic import ValidationError as PydanticError

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

Call = MiddlewareContext[CallToolRequestParams]
Read = MiddlewareContext[ReadResourceRequestParams]

HANDLED = ("call_tool", "read_resource")
"""Methods of FastMCP, whose failures pass through this middleware."""


class ToolMiddleware(Middleware):
    """The middleware of every ATOS server."""

    def __init__(
        self, server: FastMCP, *, seconds: float = CALL_SECONDS, plain: bool = False
    ) -> None:
        """Remember the server; with `plain`, results are text alone, for models and nobody else."""
        self._server = server
        self._plain = plain
        self._seconds = seconds

    async def on_call_tool(
        self, context: Call, call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        """Run one tool call; every failure leaves as a result that a model can act on."""
        name = context.message.name
        result: ToolResult | None = None
        try:
            with anyio.move_on_after(self._seconds):
                result = await call_next(await self._without_extras(context))
        except MCPError:  # such as a capability that the client lacks: the protocol's own error
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer
            return error_result(await self._explain(name, error))
        if result is None:
            message = f"{name} did not end within {self._seconds:.0f} s and was cancelled"
            step = "Ask for less at once, or start it as a goal and follow that with wait_goal."
            return error_result(errors.DeadlineError(message, next_step=step))
        if self._plain:
            result = text_alone(result)
        return fit(result) if client() in MODEL_CLIENTS else result

    async def on_read_resource(
        self, context: Read, call_next: CallNext[ReadResourceRequestParams, ResourceResult]
    ) -> ResourceResult:
        """Read a resource; a failure says what happened, as a tool's does."""
        try:
            return await call_next(context)
        except (MCPError, NotFoundError):
            raise  # the protocol has an error of its own for a resource that does not exist
        except Exception as error:
            foreseen = _foreseen(error) or _masked(str(context.message.uri), error)
            wire = {MCP_META_KEY: foreseen.to_wire()}
            raise MCPError(INTERNAL_ERROR, foreseen.to_text(), wire) from error

    async def _without_extras(self, context: Call) -> Call:
        arguments = context.message.arguments or {}
        extras = N8N_EXTRAS & arguments.keys()
        tool = await self._server.get_tool(context.message.name) if extras else None
        if tool is None:
            return context
        extras -= tool.parameters.get("properties", {}).keys()
        kept = {name: value for name, value in arguments.items() if name not in extras}
        return context.copy(message=context.message.model_copy(update={"arguments": kept}))

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


class HandledFailures(logging.Filter):
    """Drops fastmcp's own records of failures that the middleware reports or logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Recognise them by the method that logs: the wording of a message may change."""
        return record.funcName not in HANDLED
