"""The gateway as one ASGI application: its routes, and the responses to errors."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atos_protocol.errors import AtosError, NotFoundError
from atos_scheduler.gateway.control_routes import STATUS, ControlRoutes
from atos_scheduler.gateway.decision_routes import DecisionRoutes
from atos_scheduler.gateway.ollama_routes import OllamaRoutes
from atos_scheduler.gateway.responses import error_response
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


async def _atos_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AtosError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {error.detail}"
    unknown = NotFoundError(text, next_step="See docs/scheduler.md for the routes.")
    unknown.status = error.status_code
    return error_response(unknown)


async def _bug(_: Request, error: Exception) -> Response:
    message = f"the scheduler failed on this request: {error!r}"
    return error_response(AtosError(message, next_step="See logs/scheduler.log."))


def build(state: SchedulerState, report: Callable[[], None]) -> ASGIApp:
    """Return the application; `report` is called for every request that keeps the daemon alive."""
    routes = [
        *OllamaRoutes(state).routes(),
        *ControlRoutes(state).routes(),
        *DecisionRoutes(state).routes(),
    ]
    handlers = {AtosError: _atos_error, HTTPException: _http_error, Exception: _bug}
    return Activity(Starlette(routes=routes, exception_handlers=handlers), report)
