"""A stand-in for an Ollama server, faithful to its wire: routes, fields, units, statuses, semantics.

It runs in a thread on a loopback port, so that clients meet a real connection. It loads on demand,
reloads when `num_ctx` changes, evicts the model used least recently when a new one does not fit,
drops a model when its `keep_alive` has passed, and notices a client that goes away. It can't infer:
replies come from `reply`, and a `format` is kept by the smallest JSON that fits.

    with FakeOllama([FakeModel("a:latest")]) as fake:
        ... fake.url ...
"""

import json
import re
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from atos_scheduler.engines.schema import prepare
from atos_scheduler.engines.simulated import smallest

VERSION = "0.33.0"
GIB = 2**30
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
Body = dict[str, Any]


@dataclass(frozen=True)
class FakeModel:
    """A model that the server says it has pulled."""

    name: str
    size: int = GIB
    load_seconds: float = 0.0
    token_seconds: float = 0.0
    context: int = 32_768
    refusal: str = ""
    """Why loading it fails, if it does."""

    @property
    def digest(self) -> str:
        return sha256(self.name.encode()).hexdigest()

    @property
    def details(self) -> Body:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }


@dataclass
class Resident:
    """A model in the server's memory."""

    model: FakeModel
    num_ctx: int
    expires: float
    used: float


@dataclass
class FakeOllama(AbstractContextManager["FakeOllama"]):
    """The server and, for tests, what happened to it."""

    models: list[FakeModel]
    memory: int = 8 * GIB
    reply: Callable[[Body], str] = lambda body: f"reply of {body['model']} to a fake"
    structured: Callable[[Body], Body] | None = None
    """What answers a request with a schema; by default the smallest JSON that fits it."""
    break_after: int | None = None
    """Tokens after which a stream ends with an error line."""
    hang_up_after: int | None = None
    """Tokens after which the connection just closes."""
    busy: bool = False
    unload_seconds: float = 0.0
    residents: dict[str, Resident] = field(default_factory=dict[str, Resident])
    loads: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Every load, reloads included: name and num_ctx."""
    bodies: list[Body] = field(default_factory=list[Body])
    """Every body of generate and chat."""
    cancelled: int = 0
    """Streams whose client went away."""
    active: int = 0
    library: dict[str, int] = field(default_factory=dict[str, int])
    """What it can pull: name -> bytes."""
    port: int = 0
    """Where it listens; 0: at a free one."""

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(_app(self), log_level="error", lifespan="off")
        self._server = _QuietServer(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)

    def find(self, name: str) -> FakeModel | None:
        wanted = name if ":" in name else f"{name}:latest"
        return next((m for m in self.models if m.name == wanted), None)

    def running(self) -> list[Resident]:
        """Return what is in memory, dropping what has expired; latest expiry first."""
        now = time.time()
        self.residents = {k: r for k, r in self.residents.items() if r.expires > now}
        return sorted(self.residents.values(), key=lambda r: r.expires, reverse=True)

    async def ensure(self, model: FakeModel, body: Body) -> float:
        """Load as a request would; return how long it took."""
        options: Body = body.get("options") or {}
        self.running()
        here = self.residents.get(model.name)
        num_ctx = options.get("num_ctx", here.num_ctx if here else 4096)
        started = time.time()
        if here is None or here.num_ctx != num_ctx:
            self.residents.pop(model.name, None)
            self._make_room(model)
            self.loads.append((model.name, num_ctx))
            await anyio.sleep(model.load_seconds)
        expires = time.time() + _keep_seconds(body.get("keep_alive", "5m"))
        self.residents[model.name] = Resident(model, num_ctx, expires, time.time())
        return time.time() - started

    async def drop(self, model: FakeModel) -> None:
        """Unload as Ollama does: it answers at once, the model is gone a little later."""
        if (here := self.residents.get(model.name)) is not None:
            here.expires = time.time() + self.unload_seconds

    def _make_room(self, model: FakeModel) -> None:
        while (
            self.residents and sum(r.model.size for r in self.running()) + model.size > self.memory
        ):
            oldest = min(self.residents.values(), key=lambda r: r.used)
            del self.residents[oldest.model.name]


class _QuietServer(uvicorn.Server):
    """Leaves the process's signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _app(fake: FakeOllama) -> Starlette:
    async def root(_: Request) -> Response:
        return PlainTextResponse("Ollama is running")

    async def version(_: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def tags(_: Request) -> Response:
        return JSONResponse({"models": [_listed(m) for m in fake.models]})

    async def ps(_: Request) -> Response:
        return JSONResponse({"models": [_running(r) for r in fake.running()]})

    async def show(request: Request) -> Response:
        model = fake.find((await request.json()).get("model", ""))
        return JSONResponse(_shown(model)) if model else _missing("unknown")

    async def pull(request: Request) -> Response:
        return StreamingResponse(
            _pulled(fake, (await request.json())["model"]), media_type="application/x-ndjson"
        )

    async def generate(request: Request) -> Response:
        return await _infer(fake, await request.json(), chat=False)

    async def chat(request: Request) -> Response:
        return await _infer(fake, await request.json(), chat=True)

    return Starlette(
        routes=[
            Route("/", root, methods=["GET", "HEAD"]),
            Route("/api/version", version, methods=["GET", "HEAD"]),
            Route("/api/tags", tags, methods=["GET", "HEAD"]),
            Route("/api/ps", ps),
            Route("/api/show", show, methods=["POST"]),
            Route("/api/pull", pull, methods=["POST"]),
            Route("/api/generate", generate, methods=["POST"]),
            Route("/api/chat", chat, methods=["POST"]),
        ]
    )


async def _pulled(fake: FakeOllama, name: str) -> AsyncGenerator[bytes]:
    lines: list[Body] = [{"status": "pulling manifest"}]
    if (size := fake.library.get(name)) is None:
        lines.append({"error": "pull model manifest: file does not exist"})
    else:
        layer = {"status": "pulling 1234", "digest": "sha256:1234", "total": size}
        lines += [layer | {"completed": part} for part in (0, size // 2, size)]
        lines += [{"status": "verifying sha256 digest"}, {"status": "success"}]
        fake.models.append(FakeModel(name, size))
    for line in lines:
        yield json.dumps(line).encode() + b"\n"


async def _infer(fake: FakeOllama, body: Body, *, chat: bool) -> Response:
    fake.bodies.append(body)
    if (model := fake.find(body.get("model", ""))) is None:
        return _missing(body.get("model", ""))
    if fake.busy:
        error = "server busy, please try again.  maximum pending requests exceeded"
        return JSONResponse({"error": error}, 503)
    asked = _asked(body) if chat else body.get("prompt", "")
    empty = not (body.get("messages") if chat else asked)
    if empty and body.get("keep_alive") == 0:
        await fake.drop(model)
        return JSONResponse(_line(body, "", chat) | {"done": True, "done_reason": "unload"})
    if model.refusal:
        return JSONResponse({"error": model.refusal}, 500)
    took = await fake.ensure(model, body)
    if empty:
        return JSONResponse(_line(body, "", chat) | {"done": True, "done_reason": "load"})
    tokens, limit = len(asked.split()), fake.residents[model.name].num_ctx
    if tokens > limit and body.get("truncate") is False:
        error = f"request ({tokens} tokens) exceeds the available context size ({limit} tokens)"
        return JSONResponse({"error": error}, 400)
    if body.get("stream", True):
        stream = _stream(fake, model, body, chat, tokens, took)
        return StreamingResponse(stream, media_type="application/x-ndjson")
    pieces, reason = _pieces(fake, body)
    text = "".join(pieces)
    return JSONResponse(_line(body, text, chat) | _metrics(reason, tokens, len(pieces), took))


async def _stream(
    fake: FakeOllama, model: FakeModel, body: Body, chat: bool, asked: int, took: float
) -> AsyncGenerator[bytes]:
    pieces, reason = _pieces(fake, body)
    fake.active += 1
    finished = False
    try:
        for sent, piece in enumerate(pieces):
            if sent == fake.break_after:
                yield (
                    json.dumps({"error": "an error was encountered while running"}).encode() + b"\n"
                )
                finished = True
                return
            if sent == fake.hang_up_after:
                finished = True
                raise ConnectionAbortedError
            await anyio.sleep(model.token_seconds)
            yield json.dumps(_line(body, piece, chat)).encode() + b"\n"
        last = _line(body, "", chat) | _metrics(reason, asked, len(pieces), took)
        yield json.dumps(last).encode() + b"\n"
        finished = True
    finally:
        fake.active -= 1
        fake.cancelled += not finished


def _pieces(fake: FakeOllama, body: Body) -> tuple[list[str], str]:
    form = body.get("format")
    if form and fake.structured:
        text = json.dumps(fake.structured(body))
    elif form:
        text = json.dumps({} if form == "json" else smallest(prepare(form)))
    else:
        text = fake.reply(body)
    pieces = re.findall(r"\s*\S+|\s+", text)
    options: Body = body.get("options") or {}
    most = options.get("num_predict", -1)
    return (pieces[:most], "length") if 0 <= most < len(pieces) else (pieces, "stop")


def _asked(body: Body) -> str:
    messages: list[Body] = body.get("messages") or []
    return "\n".join(m.get("content", "") for m in messages)


def _line(body: Body, text: str, chat: bool) -> Body:
    said: Body = {"message": {"role": "assistant", "content": text}} if chat else {"response": text}
    return {"model": body["model"], "created_at": _now(), **said, "done": False}


def _metrics(reason: str, asked: int, tokens: int, load: float) -> Body:
    return {
        "done": True,
        "done_reason": reason,
        "total_duration": int((load + 0.002) * 1e9),
        "load_duration": int(load * 1e9),
        "prompt_eval_count": asked,
        "prompt_eval_duration": 1_000_000,
        "eval_count": tokens,
        "eval_duration": 1_000_000,
    }


def _listed(model: FakeModel) -> Body:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": _now(),
        "size": model.size,
        "digest": model.digest,
        "details": model.details,
    }


def _running(resident: Resident) -> Body:
    model = resident.model
    return {
        "name": model.name,
        "model": model.name,
        "size": model.size,
        "digest": model.digest,
        "details": model.details,
        "expires_at": datetime.fromtimestamp(min(resident.expires, 4e9), UTC).isoformat(),
        "size_vram": model.size,
        "context_length": resident.num_ctx,
    }


def _shown(model: FakeModel) -> Body:
    info: Body = {
        "general.architecture": "llama",
        "general.parameter_count": 3_200_000_000,
        "general.file_type": 15,
        "llama.context_length": model.context,
        "llama.block_count": 28,
        "llama.embedding_length": 3072,
        "llama.attention.head_count": 24,
        "llama.attention.head_count_kv": 8,
        "tokenizer.ggml.tokens": [],
    }
    return {
        "details": model.details,
        "model_info": info,
        "capabilities": ["completion"],
        "modified_at": _now(),
    }


def _missing(name: str) -> Response:
    return JSONResponse({"error": f"model '{name}' not found"}, 404)


def _keep_seconds(keep: object) -> float:
    if isinstance(keep, int | float):
        return float(keep) if keep >= 0 else 1e9
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)(ms|s|m|h)", str(keep))
    seconds = float(found[1]) * UNITS[found[2]] if found else 300.0
    return seconds if seconds >= 0 else 1e9


def _now() -> str:
    return datetime.now(UTC).isoformat()
