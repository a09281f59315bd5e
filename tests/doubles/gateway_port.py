"""A port of the gateway, for clients that are other people's: the real daemon, guard and HTTP server."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from atos_scheduler.engines.protocol import Engine
from doubles.running_scheduler import Running, scheduler


@asynccontextmanager
async def gateway_port(
    engines: Sequence[Engine], *, weight: float = 1.0, kind: str = "interactive", **more: Any
) -> AsyncGenerator[tuple[Running, str]]:
    """Run a scheduler with one client called `editor`; yield it and the client's URL."""
    async with scheduler(engines, **more) as running:
        body = {"kind": kind, "weight": weight}
        reply = await running.http.put("/atos/v1/clients/editor", json=body)
        assert reply.status_code == 200, reply.text
        yield running, reply.json()["url"]
