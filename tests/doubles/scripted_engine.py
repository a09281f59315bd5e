"""An engine that does exactly what a test tells it, and records what it was asked to do."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field

import anyio

from atos_protocol.errors import AtosError, EngineError, NoModelError
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)

GIB = 1 << 30


@dataclass
class Script:
    """How one model behaves."""

    size: int = GIB
    """Bytes: installed and, once it is loaded, measured."""
    reply: tuple[str, ...] = ("Hello", " there")
    load_error: AtosError | None = None
    answer_error: AtosError | None = None
    error_after: int = 0
    """Chunks of text before `answer_error`."""
    loads: anyio.Event | None = None
    """If set, a load waits for it."""
    answers: anyio.Event | None = None
    """If set, a reply stops before its last chunk until it is set."""
    unloads: anyio.Event | None = None
    confirms: anyio.Event | None = None
    """If set, a cancelled reply is confirmed only once it is set."""
    context: int = 4096
    details: dict[str, object] = field(default_factory=dict[str, object])


class ScriptedEngine:
    """Keeps the protocol; its models are scripts."""

    caps = Caps(load=True, unload=True, reports_memory=True, schema=True, real_weights=False)

    def __init__(self, scripts: dict[str, Script], name: str = "scripted") -> None:
        self.name = name
        self.scripts = scripts
        self.log: list[str] = []
        """`load m`, `unload m`, `ask m`, `done m`, `cancelled m`, `close`, in order."""
        self.requests: list[Request] = []
        self.held: set[str] = set()
        self.reason = ""
        self._news = anyio.Event()

    def _note(self, line: str) -> None:
        self.log.append(line)
        self._news.set()
        self._news = anyio.Event()

    async def until(self, *lines: str) -> None:
        """Wait until the log holds all of these lines."""
        with anyio.fail_after(5):
            while not all(line in self.log for line in lines):
                await self._news.wait()

    def crash(self, model: str) -> None:
        """Lose a model without having been asked."""
        self.held.discard(model)

    async def health(self) -> str:
        return self.reason

    async def installed(self) -> list[InstalledModel]:
        return [
            InstalledModel(name, script.size, dict(script.details), script.context)
            for name, script in self.scripts.items()
        ]

    async def loaded(self) -> list[LoadedModel]:
        return [LoadedModel(name, self.scripts[name].size, 0, 4096) for name in sorted(self.held)]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        script = self.scripts[spec.name]
        self._note(f"load {spec.name}")
        if script.loads is not None:
            await script.loads.wait()
        if script.load_error is not None:
            raise script.load_error
        self.held.add(spec.name)
        return LoadedModel(spec.name, script.size, 0, spec.context)

    async def unload(self, model: str) -> None:
        script = self.scripts[model]
        if script.unloads is not None:
            await script.unloads.wait()
        self.held.discard(model)
        self._note(f"unload {model}")

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        if request.model not in self.held:
            message = f"{request.model} is not loaded"
            raise NoModelError(message)
        self._note(f"ask {request.model}")
        self.requests.append(request)
        script = self.scripts[request.model]
        ended = False
        try:
            for number, text in enumerate(script.reply):
                if script.answer_error is not None and number >= script.error_after:
                    raise script.answer_error
                yield Chunk(text)
            if script.answers is not None:
                await script.answers.wait()
            if request.model not in self.held:
                message = f"the process of {request.model} ended"
                raise EngineError(message)
            ended = True
            count = len(script.reply)
            yield Chunk(
                done=True,
                prompt_tokens=3,
                reused_tokens=1,
                tokens=count,
                prompt_seconds=0.5,
                seconds=1.0,
            )
        finally:
            if not ended and script.confirms is not None:
                with anyio.CancelScope(shield=True), anyio.fail_after(5):
                    await script.confirms.wait()
            self._note(f"{'done' if ended else 'cancelled'} {request.model}")

    async def probe(self) -> None:
        """Look at nothing: `loaded` says what is there."""

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        if model not in self.held:
            message = f"{model} is not loaded"
            raise NoModelError(message)
        self._note(f"embed {model}")
        return Embeddings(tuple((float(len(text)), 0.0) for text in texts), len(texts))

    async def close(self) -> None:
        self._note("close")


def models(names: Iterable[str], size: int = GIB) -> dict[str, Script]:
    """Return one script of this size for every name."""
    return {name: Script(size=size) for name in names}
