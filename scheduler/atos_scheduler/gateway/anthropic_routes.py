"""Anthropic's routes, below `/v1/messages`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atos_scheduler.gateway.answering import Answering
from atos_scheduler.gateway.anthropic_bodies import CountBody, MessagesBody, estimated_tokens
from atos_scheduler.gateway.anthropic_format import AnthropicFormat
from atos_scheduler.gateway.requests import read_body


class AnthropicRoutes:
    """Handlers of `/v1/messages`."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/messages", self.messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", self.count, methods=["POST"]),
        ]

    async def messages(self, request: Request) -> Response:
        """Answer a conversation."""
        body = await read_body(request, MessagesBody)
        return self._answering.respond(request, body.asked(), AnthropicFormat())

    async def count(self, request: Request) -> Response:
        """Estimate a conversation's tokens; no model is loaded for it."""
        body = await read_body(request, CountBody)
        return JSONResponse({"input_tokens": estimated_tokens(body.asked())})
