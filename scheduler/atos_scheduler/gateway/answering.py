"""From a request of any API to its generation and response: what the routes have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from atos_protocol.errors import AtosError, EngineError
from atos_protocol.scheduler_api import Demand
from atos_scheduler.engines.protocol import Embeddings
from atos_scheduler.engines.protocol import Request as EngineRequest
from atos_scheduler.gateway.clients import GatewayClient
from atos_scheduler.gateway.generation import Generation, GenerationCall, GenerationStarted
from atos_scheduler.gateway.generation_response import (
    KEEP_ALIVE_SECONDS,
    Delivery,
    GenerationResponse,
)
from atos_scheduler.gateway.options import ignored_header
from atos_scheduler.gateway.reply_format import ReplyFormat
from atos_scheduler.gateway.requests import DEFAULT_SECONDS, read_demand
from atos_scheduler.gateway.responses import until_disconnect
from atos_scheduler.gateway.scheduler_state import SchedulerState
from atos_scheduler.gateway.tool_calls import forced

Tools = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; what a request leaves open, the model or Ollama decides."""

    max_tokens: int | None = None
    """None or below 1: to the end of the context."""
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Others, under Ollama's names."""

    @property
    def unset(self) -> frozenset[str]:
        """Ollama's names of the options that a model's own may stand in for."""
        given = {
            "num_predict": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "stop": self.stop or None,
        }
        return frozenset(name for name, value in given.items() if value is None)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools may, or must, be called."""

    tools: Tools = ()
    forced: bool = False
    name: str = ""
    """The one that must be called; empty: any of them."""
    single: bool = False
    """Whether only one call is wanted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request comes to, whichever API it was written for."""

    model: str
    messages: tuple[dict[str, Any], ...] = ()
    prompt: str = ""
    suffix: str = ""
    schema: Any = None
    sampling: Sampling = Sampling()
    tools: ToolChoice = ToolChoice()
    stream: bool = False
    context: int = 0
    unload: bool = False
    ignored: tuple[str, ...] = ()


class Answering:
    """Runs requests for one client; None is ATOS itself, on its own socket."""

    def __init__(
        self,
        state: SchedulerState,
        client: GatewayClient | None = None,
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self.state = state
        self._client = client
        self._keep_alive = keep_alive

    def demand(self, request: Request) -> Demand:
        """Return for whom a request is; a client with a port of its own is who the port says."""
        demand = read_demand(request)
        if (client := self._client) is None:
            return demand
        return replace(demand, client=client.name, kind=client.kind, priority=client.priority)

    def respond(self, request: Request, asked: Asked, form: ReplyFormat) -> Response:
        """Return the response to a request; it runs when it is sent."""
        load_only = not asked.messages and not asked.prompt
        call = self._call(request, asked)
        names = tuple(tool["function"]["name"] for tool in asked.tools.tools)
        delivery = Delivery(
            stream=asked.stream and not load_only,
            tools=names,
            single_call=asked.tools.single,
            load_only=load_only,
            keep_alive=self._keep_alive,
            headers=ignored_header(asked.ignored),
        )
        generation = Generation(call, self.state.catalogue, self.state.dispatcher)
        return GenerationResponse(generation, self.state.group, form, delivery)

    def _call(self, request: Request, asked: Asked) -> GenerationCall:
        sampling, choice = asked.sampling, asked.tools
        demand = self.demand(request)
        engine_request = EngineRequest(
            asked.model,
            messages=asked.messages,
            prompt=asked.prompt,
            suffix=asked.suffix,
            schema=forced(choice.tools, choice.name) if choice.forced else asked.schema,
            max_tokens=sampling.max_tokens or -1,
            temperature=sampling.temperature,
            seed=sampling.seed,
            stop=sampling.stop,
            options=dict(sampling.options),
            tools=choice.tools,
            strict=self._client is None and not choice.forced,
        )
        return GenerationCall(
            model=asked.model,
            request=engine_request,
            demand=demand,
            seconds=demand.deadline or DEFAULT_SECONDS,
            context=asked.context,
            unset=sampling.unset,
            unload=asked.unload,
            lenient=self._client is not None,
        )

    async def embed(
        self, request: Request, model: str, texts: tuple[str, ...], dimensions: int
    ) -> tuple[str, Embeddings, float]:
        """Return who turned texts into vectors, the vectors of length 1, and the seconds of loading.

        Raises:
            AtosError: it can't be done; the class says why.
        """
        demand = self.demand(request)
        seconds = demand.deadline or DEFAULT_SECONDS
        call = GenerationCall(model, EngineRequest(model), demand, seconds, texts=texts)
        generation = Generation(call, self.state.catalogue, self.state.dispatcher)
        found = _Vectors()
        generation.start(self.state.group)
        try:
            await until_disconnect(request.receive, lambda: found.collect(generation))
        finally:
            generation.cancel()
        if found.started is None or found.embeddings is None:
            message = "the embedding ended early: the client left, or the scheduler is ending"
            raise EngineError(message, next_step="Try again.")
        rows = tuple(_unit(row[:dimensions] if dimensions else row) for row in found.embeddings.vectors)  # fmt: skip
        return found.started.model, replace(found.embeddings, vectors=rows), found.started.loading


@dataclass(slots=True)
class _Vectors:
    started: GenerationStarted | None = None
    embeddings: Embeddings | None = None

    async def collect(self, generation: Generation) -> None:
        with anyio.CancelScope():
            async with generation.items as items:
                async for item in items:
                    if isinstance(item, AtosError):
                        raise item
                    if isinstance(item, GenerationStarted):
                        self.started = item
                    if isinstance(item, Embeddings):
                        self.embeddings = item


def _unit(row: tuple[float, ...]) -> tuple[float, ...]:
    length = math.sqrt(sum(number * number for number in row))
    return tuple(number / length for number in row) if length else row
