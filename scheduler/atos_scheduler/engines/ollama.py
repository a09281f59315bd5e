"""An Ollama server that runs already: ATOS attaches to it and never starts or stops it.

The `ollama` package lists, shows, loads and unloads models. Text is streamed by one httpx call, since
that package can send neither `truncate` nor `shift`; the health check uses the same client, since it
has no call for the version. A model counts as unloaded only when `/api/ps` no longer lists it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from atos_daemon import outbound_http
from atos_protocol.errors import (
    AtosError,
    EngineError,
    LoadFailedError,
    UnreachableError,
)
from atos_protocol.server_url import ServerUrl
from atos_scheduler.engines import ollama_wire as wire
from atos_scheduler.engines.gguf_header import facts
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)
from atos_scheduler.engines.stream import ReplyCheck, accepted, broken_off, posted_lines

if TYPE_CHECKING:
    import httpx
    from ollama import AsyncClient

logger = logging.getLogger(__name__)

HEALTH_SECONDS = 1.0
LIST_SECONDS = 10.0
LOAD_SECONDS = 600.0
UNLOAD_SECONDS = 60.0
POLL_SECONDS = 0.05


class Ollama:
    """The models of one Ollama server."""

    name = "ollama"
    caps = Caps(load=True, unload=True, reports_memory=True, schema=True)

    def __init__(self, url: str) -> None:
        self._url = ServerUrl(url)
        self._specs: dict[str, ModelSpec] = {}
        self._details: dict[str, dict[str, Any]] = {}
        """Digest -> what `/api/show` says of the model; it never changes for a digest."""
        self._http: httpx.AsyncClient | None = None
        self._package: AsyncClient | None = None

    async def health(self) -> str:
        """Return "" if the server answers within a second, else the reason why it can't be used."""
        if not self._url:
            return "no Ollama server is named (ATOS_OLLAMA_URL is empty)"
        try:
            with anyio.fail_after(HEALTH_SECONDS):
                await self._probe()
                reply = await self._client().get("/api/version")
        except (OSError, ValueError) as error:  # a time-out is an OSError
            return f"no Ollama server answers at {self._url}: {str(error) or 'it is silent'}"
        except AtosError as error:
            return error.message
        version = reply.json().get("version") if reply.status_code == 200 else None
        return "" if version else f"what answers at {self._url} is not an Ollama server"

    async def installed(self) -> list[InstalledModel]:
        """List what the server has pulled.

        Raises:
            UnreachableError: the server does not answer.
        """
        async with self._errors(LIST_SECONDS):
            listed = (await self._ollama().list()).models
            return [await self._describe(m) for m in listed if m.model]

    async def loaded(self) -> list[LoadedModel]:
        """List the models that the server has loaded, whoever asked for them.

        Raises:
            UnreachableError: the server does not answer.
        """
        async with self._errors(LIST_SECONDS):
            running = (await self._ollama().ps()).models
        return [
            LoadedModel(m.model or "", m.size or 0, m.size_vram or 0, m.context_length or 0)
            for m in running
        ]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Make a model resident with its frozen context; return what Ollama measured.

        Raises:
            NoModelError: the server has not pulled it.
            LoadFailedError: with the server's reason.
        """
        source = spec.source or spec.name
        options = {**spec.options, "num_ctx": spec.context}
        try:
            async with self._errors(LOAD_SECONDS):
                await self._ollama().generate(
                    source, prompt="", keep_alive=wire.KEEP_ALIVE, options=options
                )
        except EngineError as error:
            failed = LoadFailedError(error.message, next_step="See the log of Ollama.")
            failed.retry = wire.is_cut_off(error.__cause__)  # the model may be as good as ever
            raise failed from error
        self._specs[spec.name] = spec
        if (found := await self._resident(source)) is None:
            message = f"Ollama loaded {source} and dropped it at once"
            raise LoadFailedError(message, next_step="It may not fit: see the log of Ollama.")
        if 0 < found.vram < found.bytes:
            logger.warning(
                "Ollama put a part of the model into the machine's memory: it is several times slower",
                extra={"model": source, "bytes": found.bytes, "of_them_on_the_gpu": found.vram},
            )
        return LoadedModel(spec.name, found.bytes, found.vram, found.context)

    async def unload(self, model: str) -> None:
        """Unload a model; return when `/api/ps` no longer lists it; one that is not loaded is ignored.

        Raises:
            EngineError: it was still listed after a minute.
        """
        spec = self._specs.pop(model, None)
        source = (spec.source if spec else "") or model
        if await self._resident(source) is None:
            return
        async with self._errors(UNLOAD_SECONDS):
            await self._ollama().generate(source, prompt="", keep_alive=0)
            while await self._resident(source) is not None:  # noqa: ASYNC110  (no event exists)
                await anyio.sleep(POLL_SECONDS)

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream a reply; closing the generator closes the connection, which cancels in Ollama."""
        spec, schema = accepted(request, self._specs)
        give_up = time.monotonic() + request.deadline
        check = ReplyCheck(schema, strict=request.strict)
        route, body = wire.call(request, spec, schema)
        stream = posted_lines(self._client(), route, body, give_up, wire.failure)
        async with self._errors(), aclosing(stream) as lines:
            async for line in lines:
                chunk = wire.chunk(line)
                check.see(chunk)
                yield chunk
                if chunk.done:
                    return
        raise broken_off()

    async def probe(self) -> None:
        """Do nothing: `loaded` asks the server, and its silence counts."""

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Turn texts into vectors with a loaded model; a text that is too long is an error."""
        spec = self._specs.get(model)
        source, options = (spec.source or model, {"num_ctx": spec.context}) if spec else (model, {})
        async with self._errors(seconds):
            found = await self._ollama().embed(
                source, list(texts), truncate=False, keep_alive=wire.KEEP_ALIVE, options=options
            )
        return Embeddings(
            tuple(tuple(row) for row in found.embeddings), found.prompt_eval_count or 0
        )

    async def close(self) -> None:
        """Close the connections; what the server has loaded stays loaded."""
        if self._http is not None:
            await self._http.aclose()
        if self._package is not None:
            await self._package.close()

    async def _describe(self, model: Any) -> InstalledModel:
        """Add what an estimate needs to a listed model."""
        listed: dict[str, Any] = (
            model.details.model_dump(exclude_none=True) if model.details else {}
        )
        size, digest = model.size or 0, model.digest or ""
        if digest not in self._details:
            shown = await self._ollama().show(model.model)
            info = shown.modelinfo or {}
            header = facts(info, info.get("general.parameter_count", 0), size)
            template = (shown.template or "").strip() != wire.NO_TEMPLATE
            self._details[digest] = replace(header, chat_template=template).details()
        details = self._details[digest] | listed
        return InstalledModel(model.model, size, details, details["context_length"], digest)

    async def _resident(self, source: str) -> LoadedModel | None:
        wanted = wire.full_name(source)
        return next((m for m in await self.loaded() if wire.full_name(m.name) == wanted), None)

    async def _probe(self) -> None:
        """Open and close a connection: without a server this costs no import."""
        at = urlsplit(self._url.address)
        port = at.port or (443 if at.scheme == "https" else 80)
        await (await anyio.connect_tcp(at.hostname or "", port)).aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx  # 0.2 s of start-up, only where Ollama runs

            waits = httpx.Timeout(None, connect=HEALTH_SECONDS)  # deadlines are set per call
            self._http = outbound_http.async_client(self._url, waits)
        return self._http

    def _ollama(self) -> AsyncClient:
        if self._package is None:
            self._package = outbound_http.ollama_async_client(self._url)  # 0.5 s, likewise
        return self._package

    @asynccontextmanager
    async def _errors(self, seconds: float | None = None) -> AsyncGenerator[None]:
        """Turn failures into the scheduler's errors; with `seconds`, bound the time."""
        import httpx
        from ollama import ResponseError

        try:
            if seconds is None:
                yield
            else:
                with anyio.fail_after(seconds):
                    yield
        except ResponseError as error:
            raise wire.failure(error.status_code, error.error) from error
        except TimeoutError as error:
            message = f"Ollama did not answer within {seconds} s"
            raise EngineError(message, next_step="See the log of Ollama.") from error
        except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            message = f"no Ollama server answers at {self._url}"
            raise UnreachableError(message, next_step="Start it with `ollama serve`.") from error
        except httpx.HTTPError as error:
            message = f"the connection to Ollama broke: {error}"
            raise EngineError(message, next_step="Try again.") from error
