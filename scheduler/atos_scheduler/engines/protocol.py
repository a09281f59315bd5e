"""One protocol for every inference engine.

The scheduler branches on `Caps` only, never on the class. An engine does no admission of its own:
it loads, unloads and answers on request, and reports truthfully when memory is free. Errors are the classes of `atos_protocol.errors`: `NoModelError`, `LoadFailedError`, `ContextError`,
`BusyError`, `UnreachableError`, `EngineError`, `UnsupportedError`, `BadRequestError`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

DoneReason = Literal["stop", "length", "load", "unload"]


@dataclass(frozen=True, slots=True)
class Caps:
    """What an engine supports."""

    load: bool
    """A model can be made resident on request."""
    unload: bool
    """Memory is freed on request, and the engine reports when."""
    reports_memory: bool
    """Measured bytes of a loaded model are known; otherwise the estimate stands."""
    schema: bool
    """A JSON schema constrains the reply."""
    devices: tuple[str, ...] = ()
    """Kinds of devices that it puts models on, first choice first; none: whichever the machine has."""
    variants: bool = False
    """One file can be loaded several times at once, each with a context of its own."""
    slots: bool = False
    """How many requests a model answers at once may be decided at each load."""
    prompt_cache: bool = False
    """Prompts can be remembered beside the slots, in `ModelSpec.prompt_cache` bytes of memory."""
    real_weights: bool = True
    """False for the simulated engine."""
    shortfall: str = ""
    """What protects less on this machine than it should, in one line; shown by `doctor`."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How a model is to be loaded: frozen, so that no request can cause a reload."""

    name: str
    """The name that requests use, such as `qwen2.5:3b`."""
    source: str
    """What the engine loads: a GGUF path, or the engine's own name for the model."""
    context: int
    """Tokens per slot."""
    slots: int
    """Requests answered at once."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Sampling options applied to every request that does not set them."""
    cache: str = "f16"
    """Type of the elements of the key/value cache: `f16` or `q8_0`."""
    prompt_cache: int = 0
    """Bytes of memory for prompts that no slot holds any more; 0 for none."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that the engine could load now, without a download."""

    name: str
    size: int
    """Bytes of the weights on disk."""
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    """As in Ollama's `/api/tags`: family, parameter_size, quantization_level, ..."""
    context: int = 0
    """Tokens that the model was trained for; 0 if unknown."""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that the engine holds in memory."""

    name: str
    bytes: int
    """Measured, where the engine reports memory; else 0."""
    vram: int
    """The part of `bytes` that lies on a GPU."""
    context: int
    mapped: int = 0
    """The part of `bytes` in pages of a file, which the system counts as available all the same."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the client's tools, as a model asks for it."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One chat (`messages`) or raw completion (`prompt`), never both."""

    model: str
    messages: tuple[dict[str, Any], ...] = ()
    prompt: str = ""
    suffix: str = ""
    """What follows the text that is asked for, where a model fills in the middle of a prompt."""
    schema: dict[str, Any] | Literal["json"] | None = None
    max_tokens: int = 512
    temperature: float | None = 0.0
    """None leaves it to the model, or to its engine."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further sampling options under Ollama's names; they win over `ModelSpec.options`."""
    tools: tuple[dict[str, Any], ...] = ()
    """The client's tools, as OpenAI describes them; the model's template shows them to it."""
    strict: bool = True
    """Whether a schema must be bounded, and a reply that breaks it or is cut is an error."""
    deadline: float = 300.0
    """Seconds after which the engine raises `DeadlineError`."""

    @property
    def begun(self) -> str:
        """The reply's beginning, which the model goes on with; "" where it begins by itself.

        It is the text of a last message of the assistant. It counts as part of the prompt, and no
        engine sends it back.
        """
        last = self.messages[-1] if self.messages else {}
        return str(last.get("content", "")) if last.get("role") == "assistant" else ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a reply; the last one has `done` and the counters."""

    text: str = ""
    done: bool = False
    reason: DoneReason = "stop"
    prompt_tokens: int = 0
    """Tokens of the whole prompt, a begun reply included."""
    reused_tokens: int = 0
    """Those of them that the engine remembered, so they cost nothing; 0 where it does not say."""
    prompt_seconds: float = 0.0
    """Time to read the rest of the prompt."""
    tokens: int = 0
    """Tokens of the reply."""
    seconds: float = 0.0
    """Time to write the reply, after the prompt was read."""
    calls: tuple[ToolCall, ...] = ()
    """Where the engine itself reads calls out of a reply; else they stand in the text."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text, and the tokens of all of them."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int


class Engine(Protocol):
    """An inference engine as the scheduler sees it."""

    @property
    def name(self) -> str:
        """Stable name: `llama_cpp`, `ollama`, `simulated`, ..."""
        ...

    @property
    def caps(self) -> Caps:
        """What this engine can do."""
        ...

    async def health(self) -> str:
        """Return "" if the engine can be used now, else the reason why not, in one line."""
        ...

    async def installed(self) -> list[InstalledModel]:
        """List the models that could be loaded without a download."""
        ...

    async def loaded(self) -> list[LoadedModel]:
        """List the models in memory now, whoever loaded them."""
        ...

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Make a model resident; return its measured footprint."""
        ...

    async def unload(self, model: str) -> None:
        """Unload a model; return when its memory is free."""
        ...

    async def probe(self) -> None:
        """Look whether whatever holds the models still answers, within some seconds.

        A process of ours that is silent is ended, so that `loaded` does not list its model any more.
        """
        ...

    def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream a reply from a loaded model; closing the generator cancels the work.

        A stream that breaks off before its `done` chunk raises `EngineError`.
        """
        ...

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Turn texts into vectors with a loaded model, within so many seconds.

        Raises:
            UnsupportedError: the engine, or this model, has none.
        """
        ...

    async def close(self) -> None:
        """Release everything; no child process is left."""
        ...
