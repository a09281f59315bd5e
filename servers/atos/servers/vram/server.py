"""The vram server: what holds the GPU budget now, and loading and unloading by hand."""

from __future__ import annotations

from fastmcp import FastMCP

from atos.servers.services import Services
from atos.servers.vram.tools import register

INSTRUCTIONS = """\
Shows and steers which models occupy the memory budget of this machine's GPU (or of its RAM).
Call `status` first: it tells the budget, the models that are loaded, who waits, and which pools
can be used. Models are loaded on demand, so `load` and `unload` are for warming up or making room.
"""


def build(services: Services) -> FastMCP:
    """Build the server."""
    server = FastMCP("atos-vram", instructions=INSTRUCTIONS)
    register(server, services)
    return server
