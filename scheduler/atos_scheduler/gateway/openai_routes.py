"""OpenAI's routes, `/v1/*`, as its clients know them."""

from __future__ import annotations

import base64
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atos_scheduler.gateway.answering import Answering
from atos_scheduler.gateway.openai_bodies import (
    ChatCompletionBody,
    EmbeddingBody,
    ResponsesBody,
    TextCompletionBody,
)
from atos_scheduler.gateway.openai_chat_format import OpenAiFormat
from atos_scheduler.gateway.openai_responses_format import ResponsesFormat
from atos_scheduler.gateway.options import ignored_header, settle
from atos_scheduler.gateway.requests import read_body


class OpenAiRoutes:
    """Handlers of `/v1/*`."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._catalogue = answering.state.catalogue

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/models", self.models),
            Route("/v1/models/{model:path}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.complete, methods=["POST"]),
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/responses", self.responses, methods=["POST"]),
        ]

    async def models(self, _: Request) -> Response:
        """List the installed models, in a form that OpenAI's and Anthropic's clients read."""
        await self._catalogue.refresh()
        listed = [_model(name) for name in self._catalogue.deployments]
        ends = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"]} if listed else {}
        return JSONResponse({"object": "list", "data": listed, "has_more": False, **ends})

    async def model(self, request: Request) -> Response:
        """Describe a model."""
        found = await self._catalogue.candidates(request.path_params["model"])
        return JSONResponse(_model(found[0].name))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        body = await read_body(request, ChatCompletionBody)
        form = OpenAiFormat("chat", body.usage_at_end)
        return self._answering.respond(request, body.asked(), form)

    async def complete(self, request: Request) -> Response:
        """Go on with a text."""
        body = await read_body(request, TextCompletionBody)
        asked = body.asked()
        form = OpenAiFormat("text", body.usage_at_end, asked.prompt if body.echo else "")
        return self._answering.respond(request, asked, form)

    async def responses(self, request: Request) -> Response:
        """Answer a conversation in the newer form; nothing is kept."""
        body = await read_body(request, ResponsesBody)
        return self._answering.respond(request, body.asked(), ResponsesFormat(body.repeated()))

    async def embeddings(self, request: Request) -> Response:
        """Turn texts into vectors."""
        body = await read_body(request, EmbeddingBody)
        ignored = settle("/v1/embeddings", body.sent)
        texts = (body.input,) if isinstance(body.input, str) else tuple(body.input)
        model, found, _ = await self._answering.embed(
            request, body.model, texts, body.dimensions or 0
        )
        packed = body.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": i, "embedding": _packed(row) if packed else row}
            for i, row in enumerate(found.vectors)
        ]
        usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
        reply = {"object": "list", "data": data, "model": model, "usage": usage}
        return JSONResponse(reply, headers=dict(ignored_header(ignored)))


def _packed(row: tuple[float, ...]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def _model(name: str) -> dict[str, Any]:
    anthropic = {"type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
    return {"id": name, "object": "model", "created": 0, "owned_by": "atos", **anthropic}
