"""Tools by attribute: `await atos.filesystem.read_text_file(path=...)`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atos.tools import ToolClient


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What a tool answered."""

    text: str
    """For people and models."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """For programs, as the tool's output schema says; empty where it has none."""

    def __str__(self) -> str:
        return self.text


class ServerTools:
    """The tools of one server, each a method that takes the tool's arguments as keywords.

    A path is absolute, or relative to the workspaces folder. A tool that does not exist raises NotFoundError with
    those that do.
    """

    def __init__(self, tools: ToolClient, server: str) -> None:
        self._tools, self._server = tools, server

    def __repr__(self) -> str:
        return f"<tools of {self._server}; await .names() lists them>"

    async def names(self) -> list[str]:
        """Return the names of the tools."""
        client = await self._tools.client(self._server)
        return [tool.name for tool in await client.list_tools()]

    def __getattr__(self, name: str) -> Callable[..., Awaitable[ToolReply]]:
        """Return what calls the tool of that name."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(**arguments: Any) -> ToolReply:
            found = await self._tools.reply(self._server, name, arguments, resend=False)
            texts = [str(getattr(part, "text", "")) for part in found.content]
            return ToolReply("\n".join(texts), found.structured_content or {})

        call.__name__ = call.__qualname__ = name
        return call
