"""The gateway as one ASGI application: its routes, and the responses to errors."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from atos_protocol.errors import AtosError, NotFoundError
from atos_scheduler.gateway.answering import Answering
from atos_scheduler.gateway.anthropic_routes import AnthropicRoutes
from atos_scheduler.gateway.clients import GatewayClient
from atos_scheduler.gateway.control_routes import STATUS, ControlRoutes
from atos_scheduler.gateway.decision_routes import DecisionRoutes
from atos_scheduler.gateway.error_format import error_for
from atos_scheduler.gateway.gateway_routes import GatewayRoutes
from atos_scheduler.gateway.generation_response import KEEP_ALIVE_SECONDS
from atos_scheduler.gateway.loopback_guard import LoopbackGuard
from atos_scheduler.gateway.model_management import ModelManagement
from atos_scheduler.gateway.ollama_routes import OllamaRoutes
from atos_scheduler.gateway.openai_routes import OpenAiRoutes
from atos_scheduler.gateway.scheduler_state import SchedulerState


class Activity:
    """Reports every request that keeps the daemon alive; a look at the status does not."""

    def __init__(self, app: ASGIApp, report: Callable[[], None]) -> None:
        self._app = app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; report its start and its end."""
        counts = scope["type"] == "http" and scope["path"] != STATUS
        if counts:
            self._report()
        try:
            await self._app(scope, receive, send)
        finally:
            if counts:
                self._report()


async def _atos_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AtosError)
    return error_for(request.url.path, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {error.detail}"
    unknown = NotFoundError(text, next_step="See docs/gateway.md for the routes.")
    unknown.status = error.status_code
    return error_for(request.url.path, unknown)


async def _bug(request: Request, error: Exception) -> Response:
    message = f"the scheduler failed on this request: {error!r}"
    return error_for(request.url.path, AtosError(message, next_step="See logs/scheduler.log."))


def build(state: SchedulerState, report: Callable[[], None]) -> ASGIApp:
    """Return the application of ATOS's own socket; `report` is called for what keeps the daemon alive."""
    routes = [
        *inference_routes(Answering(state)),
        *ControlRoutes(state).routes(),
        *DecisionRoutes(state).routes(),
        *GatewayRoutes(state).routes(),
    ]
    return Activity(_application(routes), report)


def build_for(
    state: SchedulerState,
    client: GatewayClient,
    keep_alive: float = KEEP_ALIVE_SECONDS,
    bridge: tuple[str, ...] = (),
) -> ASGIApp:
    """Return the application of one client's port, which has no control routes."""
    app = _application(inference_routes(Answering(state, client, keep_alive)))
    return LoopbackGuard(app, bridge)


def inference_routes(answering: Answering) -> list[Route]:
    """Return the routes of every API that models can be asked through."""
    apis = (OllamaRoutes, AnthropicRoutes, OpenAiRoutes)
    routes = [route for api in apis for route in api(answering).routes()]
    return [*routes, *ModelManagement(answering.state).routes()]


def _application(routes: list[Route]) -> ASGIApp:
    handlers = {AtosError: _atos_error, HTTPException: _http_error, Exception: _bug}
    return Starlette(routes=routes, exception_handlers=handlers)
