"""Ollama's routes, `/api/*`, as its clients know them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from atos_protocol.versions import RUNNING
from atos_scheduler.catalogue.contracts import NOT_CHAT, Deployment, plain_name
from atos_scheduler.gateway.answering import Answering, Asked
from atos_scheduler.gateway.fill_in import fills_in
from atos_scheduler.gateway.ollama_bodies import (
    ChatBody,
    EmbedBody,
    EmbeddingsBody,
    GenerateBody,
    ModelBody,
    tool_choice,
)
from atos_scheduler.gateway.ollama_format import Kind, OllamaFormat
from atos_scheduler.gateway.options import ignored_header, settle
from atos_scheduler.gateway.requests import read_body

OLLAMA_VERSION = "0.33.0"
"""The version of Ollama whose API this is; its clients compare versions."""
NEVER = "2318-01-01T00:00:00Z"
"""Ollama's answer for a model without an expiry: the scheduler alone decides when it is unloaded."""
EPOCH = "1970-01-01T00:00:00Z"


class OllamaRoutes:
    """Handlers of `/api/*` over the scheduler's state."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._state = answering.state
        self._shown: tuple[dict[str, Deployment], bytes] = ({}, b"")
        """The last deployments that were listed, and the list as it was sent."""

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self.root, methods=["GET", "HEAD"]),
            Route("/api/version", self.version, methods=["GET", "HEAD"]),
            Route("/api/tags", self.tags, methods=["GET", "HEAD"]),
            Route("/api/ps", self.ps),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/chat", self.chat, methods=["POST"]),
            Route("/api/generate", self.generate, methods=["POST"]),
            Route("/api/embed", self.embed, methods=["POST"]),
            Route("/api/embeddings", self.embeddings, methods=["POST"]),
        ]

    async def root(self, _: Request) -> Response:
        """Answer as Ollama does, since clients probe for it."""
        return PlainTextResponse("Ollama is running")

    async def version(self, _: Request) -> Response:
        """Return `OLLAMA_VERSION`."""
        return JSONResponse({"version": OLLAMA_VERSION, "atos": RUNNING})

    async def tags(self, _: Request) -> Response:
        """List the installed models."""
        catalogue = self._state.catalogue
        await catalogue.refresh_soon(self._state.group)
        found = catalogue.deployments
        if found is not self._shown[0]:
            models = [_listed(deployment) for deployment in found.values()]
            self._shown = found, bytes(JSONResponse({"models": models}).body)
        return Response(self._shown[1], media_type="application/json")

    async def ps(self, _: Request) -> Response:
        """List the models in memory."""
        state = self._state
        models: list[dict[str, Any]] = []
        for found in state.dispatcher.core.memory.residencies.values():
            if found.state == "loading":
                continue
            loaded = state.dispatcher.loader.loaded.get(found.model)
            deployment = state.catalogue.deployments.get(plain_name(found.model))
            entry = (
                _listed(deployment) if deployment else {"name": found.model, "model": found.model}
            )
            entry.pop("modified_at", None)
            entry |= {
                "size": found.bytes,
                "size_vram": loaded.vram if loaded else 0,
                "context_length": loaded.context if loaded else 0,
                "expires_at": _now() if found.state == "evicting" else NEVER,
            }
            models.append(entry)
        return JSONResponse({"models": models})

    async def show(self, request: Request) -> Response:
        """Describe a model."""
        body = await read_body(request, ModelBody)
        deployment = (await self._state.catalogue.candidates(body.named()))[0]
        family = str(deployment.installed.details.get("family", "unknown"))
        info = {
            "general.architecture": family,
            f"{family}.context_length": deployment.installed.context or deployment.spec.context,
            "atos.context": deployment.spec.context,
            "atos.slots": deployment.spec.slots,
            "atos.estimated_bytes": deployment.candidate.bytes,
        }
        reply = {
            "modelfile": f"FROM {deployment.name}\n",
            "parameters": f"num_ctx {deployment.spec.context}",
            "template": "",
            "details": _listed(deployment)["details"],
            "model_info": info,
            "capabilities": _capabilities(deployment),
            "modified_at": EPOCH,
        }
        return JSONResponse(reply)

    async def chat(self, request: Request) -> Response:
        """Answer a conversation; without messages, load or unload the model."""
        body = await read_body(request, ChatBody)
        asked = replace(
            body.asked("/api/chat"),
            messages=tuple(message.neutral(body.model) for message in body.messages or []),
            tools=tool_choice(body.tools),
        )
        return await self._answer(request, asked, "chat")

    async def generate(self, request: Request) -> Response:
        """Complete a prompt; without one, load or unload the model."""
        body = await read_body(request, GenerateBody)
        asked, prompt = body.asked("/api/generate"), body.prompt or ""
        if body.raw or body.suffix:
            asked = replace(asked, prompt=prompt, suffix=body.suffix or "")
        elif prompt:
            texts = [("system", body.system or ""), ("user", prompt)]
            messages = tuple({"role": role, "content": text} for role, text in texts if text)
            asked = replace(asked, messages=messages)
        return await self._answer(request, asked, "generate")

    async def embed(self, request: Request) -> Response:
        """Turn texts into vectors."""
        body = await read_body(request, EmbedBody)
        ignored = settle("/api/embed", body.sent)
        texts = (body.input,) if isinstance(body.input, str) else tuple(body.input)
        began = time.monotonic()
        model, found, loading = await self._answering.embed(
            request, body.model, texts, body.dimensions or 0
        )
        reply = {
            "model": model,
            "embeddings": found.vectors,
            "total_duration": int((time.monotonic() - began) * 1e9),
            "load_duration": int(loading * 1e9),
            "prompt_eval_count": found.tokens,
        }
        return JSONResponse(reply, headers=dict(ignored_header(ignored)))

    async def embeddings(self, request: Request) -> Response:
        """Turn one text into a vector: Ollama's older route."""
        body = await read_body(request, EmbeddingsBody)
        ignored = settle("/api/embeddings", body.sent)
        _, found, _ = await self._answering.embed(request, body.model, (body.prompt,), 0)
        headers = dict(ignored_header(ignored))
        return JSONResponse({"embedding": found.vectors[0]}, headers=headers)

    async def _answer(self, request: Request, asked: Asked, kind: Kind) -> Response:
        if not asked.messages and not asked.prompt and asked.unload:
            return await self._unload(asked.model, kind)
        return self._answering.respond(request, asked, OllamaFormat(kind, asked.model))

    async def _unload(self, model: str, kind: Kind) -> Response:
        name = await self._state.unload(model)
        text: dict[str, Any] = (
            {"message": {"role": "assistant", "content": ""}}
            if kind == "chat"
            else {"response": ""}
        )
        reply = {"model": name, "created_at": _now(), **text, "done": True}
        return JSONResponse(reply | {"done_reason": "unload"})


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _capabilities(deployment: Deployment) -> list[str]:
    """Return what a model can do, in Ollama's words."""
    if any(word in deployment.name.lower() for word in NOT_CHAT):
        return ["embedding"]
    found = ["completion", "tools", "embedding"]
    family = str(deployment.installed.details.get("family", ""))
    return [*found, "insert"] if fills_in(family) else found


def _listed(deployment: Deployment) -> dict[str, Any]:
    installed = deployment.installed
    details: dict[str, Any] = {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": [],
        "parameter_size": "",
        "quantization_level": "",
        **installed.details,
    }
    return {
        "name": installed.name,
        "model": installed.name,
        "modified_at": EPOCH,
        "size": installed.size,
        "digest": installed.digest or "0" * 64,
        "details": details,
    }
