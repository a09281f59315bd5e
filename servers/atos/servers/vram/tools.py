"""The tools of the vram server."""

from __future__ import annotations

from fastmcp import FastMCP

from atos.servers.services import Services


def register(server: FastMCP, services: Services) -> None:
    """Add the tools to the server."""

    @server.tool
    async def status() -> dict[str, str]:
        """Tell what occupies the budget."""
        return {"home": str(services.settings.home)}
