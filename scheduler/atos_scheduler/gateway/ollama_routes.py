"""Ollama's routes, `/api/*`, as its clients know them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from atos_protocol.errors import BadRequestError, UnsupportedError
from atos_scheduler.catalogue.contracts import Deployment
from atos_scheduler.engines.protocol import Request as EngineRequest
from atos_scheduler.gateway import requests
from atos_scheduler.gateway.generation import FROZEN, Generation, GenerationCall
from atos_scheduler.gateway.generation_response import GenerationResponse, Kind
from atos_scheduler.gateway.requests import (
    ChatBody,
    GenerateBody,
    ModelBody,
    read_body,
    read_demand,
)
from atos_scheduler.gateway.scheduler_state import SchedulerState

OLLAMA_VERSION = "0.33.0"
"""The version of Ollama whose API this is; its clients compare versions."""
NEVER = "2318-01-01T00:00:00Z"
"""Ollama's answer for a model without an expiry: the scheduler alone decides when it is unloaded."""
EPOCH = "1970-01-01T00:00:00Z"


class OllamaRoutes:
    """Handlers of `/api/*` over the scheduler's state."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

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
        ]

    async def root(self, _: Request) -> Response:
        """Answer as Ollama does, since clients probe for it."""
        return PlainTextResponse("Ollama is running")

    async def version(self, _: Request) -> Response:
        """Return `OLLAMA_VERSION`."""
        return JSONResponse({"version": OLLAMA_VERSION})

    async def tags(self, _: Request) -> Response:
        """List the installed models."""
        catalogue = self._state.catalogue
        await catalogue.refresh()
        models = [_listed(deployment) for deployment in catalogue.deployments.values()]
        return JSONResponse({"models": models})

    async def ps(self, _: Request) -> Response:
        """List the models in memory."""
        state = self._state
        models: list[dict[str, Any]] = []
        for found in state.dispatcher.core.memory.residencies.values():
            if found.state == "loading":
                continue
            loaded = state.dispatcher.loader.loaded.get(found.model)
            deployment = state.catalogue.deployments.get(found.model)
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
        if not (name := body.model or body.name):
            message = "model is required"
            raise BadRequestError(message)
        deployment = (await self._state.catalogue.candidates(name))[0]
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
            "capabilities": ["completion"],
            "modified_at": EPOCH,
        }
        return JSONResponse(reply)

    async def chat(self, request: Request) -> Response:
        """Answer a conversation; without messages, load or unload the model."""
        body = await read_body(request, ChatBody)
        if body.tools:
            message = f'"{body.model}" does not support tools'
            raise UnsupportedError(message, next_step="Leave `tools` out.")
        if any(message.images for message in body.messages):
            _no_images(body.model)
        messages = tuple({"role": m.role, "content": m.content} for m in body.messages)
        asked = _request(body, EngineRequest(body.model, messages=messages))
        return await self._answer(request, body, asked, "chat")

    async def generate(self, request: Request) -> Response:
        """Complete a prompt; without one, load or unload the model."""
        body = await read_body(request, GenerateBody)
        if body.images:
            _no_images(body.model)
        if body.suffix or body.template:
            message = f'"{body.model}" does not support suffix or template'
            raise UnsupportedError(message, next_step="Leave them out, or send the prompt raw.")
        if body.raw:
            asked = EngineRequest(body.model, prompt=body.prompt)
        else:
            texts = [("system", body.system), ("user", body.prompt)]
            messages = tuple({"role": role, "content": text} for role, text in texts if text)
            asked = EngineRequest(body.model, messages=messages if body.prompt else ())
        return await self._answer(request, body, _request(body, asked), "generate")

    async def _answer(
        self,
        request: Request,
        body: requests.Generation,
        asked: EngineRequest,
        kind: Kind,
    ) -> Response:
        if body.think not in (None, False):
            message = f'"{body.model}" does not support thinking'
            raise UnsupportedError(message, next_step="Leave `think` out.")
        demand = read_demand(request)
        unload = requests.keep_alive_seconds(body.keep_alive) == 0
        empty = not asked.messages and not asked.prompt
        if empty and unload:
            return await self._unload(body.model, kind)
        call = GenerationCall(
            model=body.model,
            request=asked,
            demand=demand,
            seconds=demand.deadline or requests.DEFAULT_SECONDS,
            context=body.options.num_ctx or 0,
            unset=frozenset(name for name in FROZEN if getattr(body.options, name) is None),
            unload=unload,
        )
        state = self._state
        generation = Generation(call, state.catalogue, state.dispatcher)
        return GenerationResponse(
            generation, state.group, kind, stream=body.stream, load_only=empty
        )

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


def _no_images(model: str) -> None:
    message = f'"{model}" does not support images'
    raise UnsupportedError(message, next_step="Leave `images` out.")


def _request(body: requests.Generation, asked: EngineRequest) -> EngineRequest:
    """Copy the options of the reply; those that the request leaves out the model decides."""
    options = body.options
    stop = options.stop or []
    default = EngineRequest(body.model)
    return replace(
        asked,
        schema=body.format or None,
        max_tokens=options.num_predict or default.max_tokens,
        temperature=default.temperature if options.temperature is None else options.temperature,
        seed=options.seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


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
