"""An engine without a model, for tests and `ATOS_SIMULATE=1`. It never poses as a real one.

Load times, sizes and speed are configured; its replies are computed from the request alone and state
that they are simulated. A schema is met by the smallest value that fits it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio

from atos_protocol.errors import (
    BusyError,
    ConflictError,
    ContextError,
    DeadlineError,
    LoadFailedError,
    NoModelError,
    UnsupportedError,
)
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)
from atos_scheduler.engines.schema import MAX_DEPTH, Schema, breach
from atos_scheduler.engines.stream import ReplyCheck, accepted

GIB = 2**30


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model that exists only as numbers."""

    name: str
    bytes: int = GIB
    load_seconds: float = 0.0
    unload_seconds: float = 0.0
    tokens_per_second: float = 0.0
    """0 means as fast as it can be read."""
    context: int = 4096
    refusal: str = ""
    """Why loading it fails, if it does."""


MODELS = (
    SimulatedModel("simulated:small", 1 * GIB, load_seconds=0.2),
    SimulatedModel("simulated:medium", 2 * GIB, load_seconds=0.4),
    SimulatedModel("simulated:large", 5 * GIB, load_seconds=1.0),
)
"""What `ATOS_SIMULATE=1` offers."""


class Simulated:
    """Behaves like an engine and computes nothing."""

    name = "simulated"
    caps = Caps(
        load=True, unload=True, reports_memory=True, schema=True, real_weights=False, variants=True
    )

    def __init__(self, models: Iterable[SimulatedModel] = MODELS) -> None:
        self._models = {model.name: model for model in models}
        self._loaded: dict[str, ModelSpec] = {}
        self._busy: dict[str, int] = {}
        self._lock = anyio.Lock()

    async def health(self) -> str:
        """Return "": there is nothing that could be missing."""
        return ""

    async def installed(self) -> list[InstalledModel]:
        """List the configured models."""
        details = {"family": "simulated", "format": "simulated"}
        return [InstalledModel(m.name, m.bytes, details, m.context) for m in self._models.values()]

    async def loaded(self) -> list[LoadedModel]:
        """List the models whose load was simulated."""
        return [self._footprint(spec) for spec in self._loaded.values()]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Wait for the configured load time.

        Raises:
            NoModelError: it is not simulated here.
            LoadFailedError: it is configured to fail.
            ConflictError: it is loaded with another context, slots or options.
        """
        async with self._lock:
            model = self._known(spec.source or spec.name)
            if self._loaded.get(spec.name, spec) != spec:
                message = f"{spec.name} is loaded with another context, slots or options"
                raise ConflictError(message, next_step="Unload it first.")
            if spec.name not in self._loaded:
                await anyio.sleep(model.load_seconds)
                if model.refusal:
                    message = f"{model.name} (simulated): {model.refusal}"
                    raise LoadFailedError(message)
                self._loaded[spec.name] = spec
            return self._footprint(spec)

    async def unload(self, model: str) -> None:
        """Wait for the configured unload time; a model that is not loaded is ignored."""
        async with self._lock:
            if model in self._loaded:
                found = self._known(self._loaded[model].source or model)
                await anyio.sleep(found.unload_seconds)
                del self._loaded[model]

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream a reply that states it is simulated."""
        spec, schema = accepted(request, self._loaded)
        asked = request.prompt or "\n".join(str(m.get("content", "")) for m in request.messages)
        words = len(asked.split())
        if words >= spec.context:
            message = f"the prompt has {words} tokens, the model's context {spec.context}"
            raise ContextError(message, next_step="Shorten the prompt.")
        tokens = _tokens(_reply(spec.name, asked, schema))
        pause = self._pause(spec.source or spec.name)
        check = ReplyCheck(schema, strict=request.strict)
        started = time.monotonic()
        with self._slot(spec):
            for token in tokens[: request.max_tokens]:
                await anyio.sleep(pause)
                if time.monotonic() - started > request.deadline:
                    message = f"the reply did not end within {request.deadline} s"
                    raise DeadlineError(message, next_step="Allow more time or fewer tokens.")
                check.see(Chunk(token))
                yield Chunk(token)
            last = _last(request, words, len(tokens), time.monotonic() - started)
            check.see(last)
            yield last

    async def probe(self) -> None:
        """Do nothing: numbers don't fall silent."""

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Return vectors that depend on the texts alone and mean nothing.

        Raises:
            NoModelError: the model is not loaded.
        """
        if model not in self._loaded:
            message = f"{model} is not loaded"
            raise NoModelError(message, next_step="Load it first.")
        words = sum(len(text.split()) for text in texts)
        return Embeddings(tuple(_vector(text) for text in texts), words)

    async def close(self) -> None:
        """Forget everything."""
        self._loaded.clear()

    def _known(self, name: str) -> SimulatedModel:
        try:
            return self._models[name]
        except KeyError:
            message = f"no model {name!r} is simulated"
            step = f"Known are: {', '.join(self._models) or 'none'}."
            raise NoModelError(message, next_step=step) from None

    def _pause(self, name: str) -> float:
        speed = self._models[name].tokens_per_second
        return 1 / speed if speed else 0.0

    def _footprint(self, spec: ModelSpec) -> LoadedModel:
        model = self._known(spec.source or spec.name)
        return LoadedModel(spec.name, model.bytes, vram=model.bytes, context=spec.context)

    @contextmanager
    def _slot(self, spec: ModelSpec) -> Generator[None]:
        if self._busy.get(spec.name, 0) >= spec.slots:
            message = f"all {spec.slots} slots of {spec.name} are taken"
            raise BusyError(message, next_step="Wait for one of its replies to end.")
        self._busy[spec.name] = self._busy.get(spec.name, 0) + 1
        try:
            yield
        finally:
            self._busy[spec.name] -= 1


def _vector(text: str) -> tuple[float, ...]:
    """Return a vector of length 1."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:8]]
    length = sum(number * number for number in numbers) ** 0.5
    return tuple(number / length for number in numbers)


def _last(request: Request, words: int, total: int, took: float) -> Chunk:
    tokens = min(total, request.max_tokens)
    reason = "length" if total > tokens else "stop"
    return Chunk("", True, reason, prompt_tokens=words, tokens=tokens, seconds=took)


def _reply(model: str, asked: str, schema: Schema | None) -> str:
    if schema is not None:
        return json.dumps(smallest(schema))
    mark = hashlib.sha256(asked.encode()).hexdigest()[:8]
    return f"This is a simulated reply of {model}: no model was asked. Request {mark}."


def _tokens(text: str) -> list[str]:
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def smallest(schema: Schema) -> Any:
    """Return a small value that fits a schema, prepared or as a client wrote it.

    Raises:
        UnsupportedError: the schema has a pattern or bounds that plain values don't meet.
    """
    value = _smallest(schema, cast("dict[str, Schema]", schema.get("$defs", {})), 0)
    if problem := breach(value, schema):
        message = f"the simulated engine finds no value for this schema: {problem}"
        raise UnsupportedError(message, next_step="Use a real engine for it.")
    return value


def _smallest(schema: Schema, definitions: dict[str, Schema], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _smallest(definitions.get(name, {}), definitions, depth + 1)
    if "enum" in schema or "const" in schema:
        return schema["enum"][0] if "enum" in schema else schema["const"]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _smallest(schema[several][0], definitions, depth + 1)
    return _of_type(schema, definitions, depth)


def _of_type(schema: Schema, definitions: dict[str, Schema], depth: int) -> Any:
    named: Any = schema.get("type", "object")
    kind = cast("list[str]", named)[0] if isinstance(named, list) else named
    match kind:
        case "object":
            properties = cast("dict[str, Schema]", schema.get("properties", {}))
            wanted = cast("list[str]", schema.get("required", []))
            return {
                name: _smallest(properties.get(name, {}), definitions, depth + 1) for name in wanted
            }
        case "array":
            item = _smallest(schema.get("items", {}), definitions, depth + 1)
            return [item] * schema.get("minItems", 0)
        case "string":
            text = "simulated".ljust(schema.get("minLength", 0), ".")
            return text[: schema.get("maxLength")]
        case "integer" | "number":
            above = schema.get("exclusiveMinimum")
            lowest = schema.get("minimum", 0 if above is None else above + 1)
            return min(lowest, schema.get("maximum", lowest))
        case "boolean":
            return False
        case _:
            return None
