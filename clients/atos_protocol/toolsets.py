"""Which tools of the server `all` a client sees: toolsets by name, or only what changes nothing.

The shim imports this, and its start is waited for: so no dataclasses, no typing here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

DEFAULT = ""
EVERYTHING = "all"


class Selection:
    """What a client asked for: toolsets, separated by commas, and whether tools may change anything."""

    __slots__ = ("read_only", "tools")

    def __init__(self, tools: str = DEFAULT, read_only: bool = False) -> None:
        self.tools = tools
        self.read_only = read_only

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Selection({self.tools!r}, read_only={self.read_only})"

    def _key(self) -> tuple[str, bool]:
        return self.tools, self.read_only

    def names(self, toolsets: Mapping[str, Iterable[str]]) -> set[str]:
        """Return the names of the selected tools.

        Args:
            toolsets: names of tools by toolset; those under "" are there by default.

        Raises:
            ValueError: there is no such toolset.
        """
        wanted = [part.strip() for part in self.tools.split(",") if part.strip()] or [DEFAULT]
        if unknown := [name for name in wanted if name not in toolsets]:
            known = ", ".join(name for name in toolsets if name)
            message = f"there is no toolset {unknown[0]!r}. The toolsets are {known}."
            raise ValueError(message)
        return {tool for name in wanted for tool in toolsets[name]}

    def of(
        self, tools: Iterable[dict[str, Any]], toolsets: Mapping[str, Iterable[str]]
    ) -> list[dict[str, Any]]:
        """Return those of the listed tools that are selected."""
        names = self.names(toolsets)
        return [
            tool
            for tool in tools
            if tool["name"] in names
            and (not self.read_only or tool.get("annotations", {}).get("readOnlyHint"))
        ]
