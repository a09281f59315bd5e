"""An OpenAI-compatible server that somebody else runs: llama-server, vLLM, LM Studio, Ray Serve LLM.

The protocol has no load and no unload and does not report memory: its models count as always
resident, at no cost here. Where the server itself can load and unload (`server_residency`), it is asked to.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from atos_daemon import outbound_http
from atos_daemon.key_source import KeySource
from atos_protocol.errors import AtosError, EngineError, NoModelError, UnreachableError
from atos_protocol.server_url import ServerUrl
from atos_scheduler.engines import openai_wire as wire
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)
from atos_scheduler.engines.schema import Schema
from atos_scheduler.engines.server_residency import ServerResidency
from atos_scheduler.engines.stream import (
    BegunReply,
    ReplyCheck,
    accepted,
    before,
    broken_off,
    posted_lines,
)

if TYPE_CHECKING:
    import httpx

HEALTH_SECONDS = 1.0
LIST_SECONDS = 10.0


class OpenAi:
    """The models of one OpenAI-compatible server."""

    name = "openai"
    caps = Caps(load=False, unload=False, reports_memory=False, schema=True)

    def __init__(self, url: str, key: KeySource | None = None) -> None:
        self._url = ServerUrl(url)
        self._key = key
        self._specs: dict[str, ModelSpec] = {}
        self._plain = False
        """Whether the server has refused the fields that the protocol itself does not have."""
        self._http: httpx.AsyncClient | None = None
        self._residency = ServerResidency(self._client)

    async def health(self) -> str:
        """Return "" if the server lists its models within a second, else why it can't be used."""
        try:
            with anyio.fail_after(HEALTH_SECONDS):
                await self._names()
        except TimeoutError:
            return f"the server at {self._url} is silent"
        except AtosError as error:
            return error.message
        return ""

    async def installed(self) -> list[InstalledModel]:
        """List the models that the server offers; it reports neither size nor context.

        Raises:
            UnreachableError: the server does not answer.
        """
        details = {"format": "remote", "family": "openai"}
        return [InstalledModel(name, 0, details) for name in await self._names()]

    async def loaded(self) -> list[LoadedModel]:
        """List the models in use that the server still offers.

        Raises:
            UnreachableError: the server does not answer.
        """
        if not self._specs:
            return []
        offered = await self._names()
        return [_footprint(s) for s in self._specs.values() if (s.source or s.name) in offered]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Check that the server offers a model, and have it load it if it can.

        Raises:
            NoModelError: it does not offer it.
            LoadFailedError: it could not load it.
        """
        offered = await self._names()
        if (spec.source or spec.name) not in offered:
            message = f"the server at {self._url} does not offer {spec.source or spec.name!r}"
            raise NoModelError(message, next_step=f"It offers: {', '.join(offered) or 'nothing'}.")
        async with self._errors():
            await self._residency.load(spec.source or spec.name)
        self._specs[spec.name] = spec
        return _footprint(spec)

    async def unload(self, model: str) -> None:
        """Stop using a model; a server that can unload it does.

        Raises:
            EngineError: the server did not say that it is gone.
        """
        spec = self._specs.get(model)
        if spec is not None:
            async with self._errors():
                await self._residency.unload(spec.source or spec.name)
        self._specs.pop(model, None)

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream a reply; closing the generator closes the connection, which cancels there."""
        spec, schema = accepted(request, self._specs)
        started = time.monotonic()
        check, begun, first = (
            ReplyCheck(schema, strict=request.strict),
            BegunReply(request.begun),
            0.0,
        )
        async with self._errors(), aclosing(self._chunks(request, spec, schema, started)) as chunks:
            async for chunk in chunks:
                check.see(chunk)
                first = first or time.monotonic()
                if chunk.done:
                    yield replace(_timed(chunk, started, first), text=begun.rest())
                    return
                if text := begun.continuation(chunk.text):
                    yield replace(chunk, text=text)
        raise broken_off()

    async def _chunks(
        self, request: Request, spec: ModelSpec, schema: Schema | None, started: float
    ) -> AsyncGenerator[Chunk]:
        """Stream a reply; to a server that refuses our extensions the request is sent without."""
        give_up, events = started + request.deadline, wire.Events()
        while True:
            route, body = wire.call(request, spec, schema, plain=self._plain)
            stream = posted_lines(self._client(), route, body, give_up, wire.failure)
            try:
                async with aclosing(stream) as lines:
                    async for line in lines:
                        if (chunk := events.read(line)) is not None:
                            yield chunk
            except AtosError as error:
                if self._plain or not wire.refuses_extensions(error):
                    raise
                self._plain = True
            else:
                return

    async def probe(self) -> None:
        """Do nothing: `loaded` asks the server, and its silence counts."""

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Turn texts into vectors.

        Raises:
            DeadlineError: it took longer than `seconds`.
        """
        spec = self._specs.get(model)
        body = {"model": (spec.source if spec else "") or model, "input": list(texts)}
        async with self._errors():
            with before(time.monotonic() + seconds):
                reply = await self._client().post("/v1/embeddings", json=body)
        if reply.status_code != 200:
            raise wire.failure(reply.status_code, reply.text)
        return wire.vectors(reply.json())

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _names(self) -> list[str]:
        async with self._errors():
            try:
                with anyio.fail_after(LIST_SECONDS):
                    reply = await self._client().get("/v1/models")
            except TimeoutError as error:
                message = f"the server at {self._url} is silent"
                raise UnreachableError(message, next_step="See its log.") from error
        if reply.status_code != 200:
            raise wire.failure(reply.status_code, reply.text)
        try:
            return [str(model["id"]) for model in reply.json()["data"]]
        except (ValueError, KeyError, TypeError) as error:
            message = f"what answers at {self._url} is not an OpenAI-compatible server"
            raise UnreachableError(message, next_step="Check ATOS_OPENAI_URL.") from error

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx  # 0.2 s of start-up, only where a server is configured

            waits = httpx.Timeout(None, connect=HEALTH_SECONDS)  # deadlines are set per call
            base = self._url.address.removesuffix("/v1")
            try:
                self._http = outbound_http.async_client(self._url, waits, base=base, key=self._key)
            except httpx.InvalidURL as error:
                message = f"{self._url} is no address of a server"
                raise UnreachableError(message, next_step="Check ATOS_OPENAI_URL.") from error
        return self._http

    @asynccontextmanager
    async def _errors(self) -> AsyncGenerator[None]:
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            message = f"no OpenAI-compatible server answers at {self._url}: {error}"
            raise UnreachableError(message, next_step="Check ATOS_OPENAI_URL.") from error
        except httpx.HTTPError as error:
            message = f"the connection to {self._url} broke: {error}"
            raise EngineError(message, next_step="Try again.") from error


def _timed(last: Chunk, started: float, first: float) -> Chunk:
    """Return the last chunk with times; without the server's own, the first text parts them."""
    if last.seconds:
        return last
    return replace(last, prompt_seconds=first - started, seconds=time.monotonic() - first)


def _footprint(spec: ModelSpec) -> LoadedModel:
    return LoadedModel(spec.name, bytes=0, vram=0, context=spec.context)
