"""The vram server: what occupies the memory budget, and loading and unloading by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import Field

from atos.scheduler_client import SchedulerClient
from atos_protocol.errors import DeadlineError
from atos_servers.host.connection import owner
from atos_servers.host.page_resource import SHOWN, EmbeddedPage
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only
from atos_servers.vram.models import Loaded, ModelList, Unloaded, VramStatus
from atos_servers.vram.views import model_list, status_view

INSTRUCTIONS = """\
Shows and steers which models occupy the memory budget of this machine's GPU (or of its RAM).
Call `vram_status` first: it shows the budget, the loaded models, waiting requests, and the pools that can
be used. Models are loaded on demand, so `load_model` and `unload_model` are for warming up or making room.
"""
LOAD_SECONDS = 40.0
"""How long a call waits for a load or for its turn in the queue; tool calls end after 45 s."""

UNLOAD_SECONDS = 25.0
"""How long requests in progress may delay unloading."""

Model = Annotated[str, Field(min_length=1, max_length=200, description="As list_models names it.")]
ModelOrPool = Annotated[
    str, Field(min_length=1, max_length=200, description="A model, or a pool such as atos/simple.")
]


class VramTools:
    """The tools, over one connection to the scheduler."""

    def __init__(self, services: Services) -> None:
        self._scheduler = SchedulerClient(services.settings)

    @asynccontextmanager
    async def lifespan(self, _: FastMCP[Any]) -> AsyncGenerator[None]:
        """Keep the connection while the server runs."""
        async with self._scheduler:
            yield

    async def vram_status(self) -> VramStatus:
        """Show the memory budget, loaded models, requests, pools and engines.

        Use first: to see why work waits, how much memory a model takes, or which pools can be used.
        """
        return status_view(await self._scheduler.status(), show_goals=not owner())

    async def status_resource(self) -> str:
        """Show what `vram_status` shows, as JSON."""
        return (await self.vram_status()).model_dump_json()

    async def list_models(self) -> ModelList:
        """List the installed models with size, pools, and whether they are loaded.

        Use before `load_model`, or to see what could be used. Nothing is downloaded.
        """
        models = await self._scheduler.models()
        return model_list(models, await self._scheduler.status())

    async def load_model(self, model: ModelOrPool) -> Loaded:
        """Load a model into memory now, so that its first request does not wait.

        Rarely needed: requests load what they need. Other models may be evicted for it. A load
        that takes longer than 40 s continues by itself: call again, or look at `vram_status`.
        """
        try:
            name = await self._scheduler.load(model, seconds=LOAD_SECONDS)
        except DeadlineError:  # the scheduler completes a load that has begun
            step = "Call load_model again to keep waiting, or see vram_status."
            return Loaded(model=model, state="loading", next=step)
        return Loaded(model=name, state="resident", next="")

    async def unload_model(self, model: Model) -> Unloaded:
        """Unload a model from memory, after the requests that it is answering.

        Use to make room for another program on the GPU. It is loaded again when it is needed.
        """
        return Unloaded(model=await self._scheduler.unload(model, seconds=UNLOAD_SECONDS))


def build(services: Services) -> FastMCP:
    """Build the server."""
    tools = VramTools(services)
    server = FastMCP("atos-vram", instructions=INSTRUCTIONS, lifespan=tools.lifespan)
    server.tool(tools.vram_status, annotations=read_only("Memory status"), meta=SHOWN)
    server.tool(tools.list_models, annotations=read_only("List models"))
    server.tool(tools.load_model, annotations=changing("Load a model"))
    server.tool(tools.unload_model, annotations=changing("Unload a model"))
    server.add_provider(EmbeddedPage())
    server.resource("vram://status", name="vram_status", mime_type="application/json")(
        tools.status_resource
    )
    return server
