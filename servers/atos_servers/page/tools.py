"""The tools that the page may call, and their results as JSON; everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastmcp import FastMCP

from atos_protocol.errors import MCP_META_KEY, AtosError, NotFoundError, from_wire

ALLOWED: Mapping[str, frozenset[str]] = {
    "orchestrate": frozenset(
        {
            "answer_question", "approve_plan", "cancel_goal", "check_goal", "get_goal", "get_task",
            "list_goals", "plan_goal", "resume_goal", "pause_goal", "retry_goal", "get_plan", "start_goal",
            "submit_fix", "wait_goal",
        }
    ),
    "vram": frozenset({"list_models", "load_model", "unload_model", "vram_status"}),
    "workflow": frozenset({"answer_approval", "list_deployments", "verify_deployment"}),
}  # fmt: skip
"""Server -> its tools that a person may use on the page. A tool that this version lacks answers so."""


class PageTools:
    """Calls tools in the person's name, through the same middleware as every other caller."""

    def __init__(self, suite: Mapping[str, FastMCP]) -> None:
        self._suite = suite

    async def call(self, server: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool and return its structured result.

        Raises:
            NotFoundError: the page may not call it, or there is none.
            AtosError: the tool failed.
        """
        if tool not in ALLOWED.get(server, frozenset()) or server not in self._suite:
            message = f"the page has no tool {server[:40]}.{tool[:60]}"
            raise NotFoundError(message, next_step="Reload the page: it may be of another version.")
        result = await self._suite[server].call_tool(tool, arguments)
        if not result.is_error:
            return result.structured_content or {}
        wire: dict[str, Any] | None = (result.meta or {}).get(MCP_META_KEY)
        raise from_wire(wire) if wire else AtosError(f"{server}.{tool} failed")
