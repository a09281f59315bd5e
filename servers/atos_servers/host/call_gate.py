"""What every tool call passes through, whichever way it came: a deadline, an answer in any case, and a bound on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import anyio
from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError
from fastmcp.tools import ToolResult
from mcp import MCPError
from mcp.types import TextContent

from atos_protocol import errors
from atos_protocol.errors import AtosError
from atos_servers.host.connection import MODEL_CLIENTS, client
from atos_servers.host.reply_limit import fit
from atos_servers.host.revocation import until_revoked
from atos_servers.host.shown_text import is_exact, shown
from atos_servers.host.tool_failures import error_result, explained, no_longer_welcome

CALL_SECONDS = 45.0
"""Longest tool call, in seconds: Claude Desktop and n8n give a call up after 60."""

N8N_EXTRAS = frozenset({"toolCallId", "sessionId", "action", "chatInput"})
"""What n8n's AI agent adds to the arguments of any tool."""

LONGEST_NAME = 40
"""Letters of a dropped argument's name that are kept."""


class CallGate:
    """The gate of one server.

    Args:
        server: names the tools there are, where one is asked for that is not.
        seconds: how long a call may last.
        plain: results are text alone, for models and nobody else.
    """

    def __init__(
        self, server: FastMCP, *, seconds: float = CALL_SECONDS, plain: bool = False
    ) -> None:
        self._server = server
        self._plain = plain
        self.seconds = seconds
        """Longest call."""

    async def answer(self, name: str, run: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        """Run one tool call; every failure leaves as a result that a model can act on.

        Raises:
            MCPError: the protocol's own error, such as a capability that the client lacks.
        """
        result: ToolResult | None = None
        try:
            with anyio.move_on_after(self.seconds):
                async with until_revoked() as revoked:
                    result = await run()
                if revoked:
                    return error_result(no_longer_welcome())
        except MCPError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer
            return error_result(await self._explain(name, error))
        if result is None:
            return self.late(name)
        if not isinstance(
            cast("object", result), ToolResult
        ):  # an extension's answer, such as a task
            return result
        return self.passed(result)

    def late(self, name: str) -> ToolResult:
        """Return the answer to a call that took too long."""
        message = f"{name} did not end within {self.seconds:.0f} s and was cancelled"
        step = "Ask for less at once, or start it as a goal and follow that with wait_goal."
        return error_result(errors.DeadlineError(message, next_step=step))

    def passed(self, result: ToolResult) -> ToolResult:
        """Return a tool's result as this connection's client gets it: bounded, and with nothing hidden in it."""
        exact = is_exact(result)
        if self._plain:
            result = text_alone(result)
        return shown(fit(result), exact=exact) if client() in MODEL_CLIENTS else result

    async def _explain(self, name: str, error: Exception) -> AtosError:
        if isinstance(error, NotFoundError):
            known = ", ".join(tool.name for tool in await self._server.list_tools())
            return errors.NotFoundError(f"there is no tool {name!r}", next_step=f"Use: {known}.")
        tool = await self._server.get_tool(name)
        return explained(name, error, tool.parameters if tool else {})


def without_extras(
    arguments: Mapping[str, Any],
    parameters: Mapping[str, Any],
    dropped: Counter[str] | None = None,
) -> dict[str, Any]:
    """Return the arguments without those that a client merges in, and without null, which means the default.

    Args:
        arguments: as they were sent.
        parameters: the tool's input schema.
        dropped: given, whatever the schema does not know is dropped and counted here; else only `N8N_EXTRAS`.
    """
    sent = N8N_EXTRAS & arguments.keys() if dropped is None else set(arguments)
    extras = sent - parameters.get("properties", {}).keys()
    if dropped is not None:
        dropped.update(name[:LONGEST_NAME] for name in extras)
    return {
        name: value for name, value in arguments.items() if name not in extras and value is not None
    }


def text_alone(result: ToolResult) -> ToolResult:
    """Return a result without its structured part, which would be read a second time beside the text."""
    structured = result.structured_content
    if structured is None or result.is_error:
        return result
    content = result.content
    if structured.keys() == {"content"} and isinstance(structured["content"], str):
        content = [TextContent(type="text", text=structured["content"]), *content[1:]]
    return ToolResult(content=content, meta=result.meta)
