"""Control routes about other programs: their ports, leases of plain memory, and the pause of all models."""

from __future__ import annotations

from dataclasses import asdict

import anyio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import AtosError
from atos_protocol.scheduler_api import DemandClass
from atos_scheduler.gateway.clients import GatewayClient
from atos_scheduler.gateway.requests import DEFAULT_SECONDS, Strict, read_body, read_demand
from atos_scheduler.gateway.responses import NDJSON, encoded, error_response, until_disconnect
from atos_scheduler.gateway.scheduler_state import SchedulerState
from atos_scheduler.lease_request import LeaseRequest


class ClientBody(Strict):
    """Body of `PUT /atos/v1/clients/{name}`."""

    kind: DemandClass = "interactive"
    port: int = Field(default=0, ge=0, le=65535)
    weight: float = 1.0


class LeaseBody(Strict):
    """Body of `POST /atos/v1/lease`."""

    bytes: int = Field(gt=0, lt=1 << 50)
    name: str = Field(default="program", min_length=1, max_length=60)


class LeaseResponse(Response):
    """A lease of memory: one line when it is granted; it lasts until the client disconnects."""

    def __init__(self, state: SchedulerState, request: LeaseRequest) -> None:
        super().__init__()
        self._state = state
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the grant, say so, and hold it."""
        try:
            await until_disconnect(receive, lambda: self._hold(send))
        except AtosError as error:
            await error_response(error)(scope, receive, send)
        finally:
            self._state.end_lease(self._request)

    async def _hold(self, send: Send) -> None:
        granted = await self._request.granted()
        line = encoded({"lease": self._request.id, "waited": granted.waited})
        await send({"type": "http.response.start", "status": 200, "headers": NDJSON})
        await send({"type": "http.response.body", "body": line, "more_body": True})
        with self._request.scope:
            await anyio.sleep_forever()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class GatewayRoutes:
    """Handlers of `/atos/v1/clients`, `/lease`, `/pause` and `/resume`."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes."""
        client = "/atos/v1/clients/{name}"
        return [
            Route("/atos/v1/clients", self.clients),
            Route(client, self.turn_on, methods=["PUT"]),
            Route(client, self.turn_off, methods=["DELETE"]),
            Route("/atos/v1/lease", self.lease, methods=["POST"]),
            Route("/atos/v1/pause", self.pause, methods=["POST"]),
            Route("/atos/v1/resume", self.resume, methods=["POST"]),
        ]

    async def clients(self, _: Request) -> Response:
        """List the named clients."""
        listed = [_shown(client, why) for client, why in self._state.ports.listed()]
        return JSONResponse({"clients": listed})

    async def turn_on(self, request: Request) -> Response:
        """Give a client a port, or change what it is."""
        body = await read_body(request, ClientBody)
        wanted = GatewayClient(request.path_params["name"], body.kind, body.port, body.weight)
        return JSONResponse(_shown(self._state.ports.turn_on(wanted)))

    async def turn_off(self, request: Request) -> Response:
        """Close a client's port."""
        return JSONResponse(_shown(self._state.ports.turn_off(request.path_params["name"])))

    async def lease(self, request: Request) -> Response:
        """Reserve memory for a program that is no model, for as long as the connection lasts."""
        body = await read_body(request, LeaseBody)
        demand = read_demand(request)
        seconds = demand.deadline or DEFAULT_SECONDS
        held = self._state.lease(body.name, body.bytes, demand, seconds)
        return LeaseResponse(self._state, held)

    async def pause(self, _: Request) -> Response:
        """Take every model out of memory and load none until `resume`."""
        return JSONResponse({"paused": True, "unloaded": await self._state.pause()})

    async def resume(self, _: Request) -> Response:
        """Go on."""
        return JSONResponse({"paused": False, "was_paused": self._state.resume()})


def _shown(client: GatewayClient, why: str = "") -> dict[str, object]:
    return {**asdict(client), "url": client.url, "trouble": why}
