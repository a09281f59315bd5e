"""The embedded engine: GGUF files in llama.cpp workers, one process per loaded model.

It needs no server and no GPU, so a fresh machine has real inference. Its models are the weights
that are shipped and the files that `ATOS_GGUF` names, each under its file's stem, and the files that
`atos-client models pull` fetched, under the catalogue's names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import (
    BadConfigError,
    ConflictError,
    LoadFailedError,
    NoModelError,
)
from atos_protocol.settings import Settings
from atos_scheduler.engines.confinement import shortfall
from atos_scheduler.engines.gguf_header import GgufHeader, read_header
from atos_scheduler.engines.llama_cpp_model import LlamaModel
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)
from atos_scheduler.engines.stream import accepted
from atos_scheduler.engines.threads import suited, threads_now, usable_cores
from atos_scheduler.models.store import ModelStore, StoredModel

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights in the package, each with its `.sha256` beside it."""


class LlamaCpp:
    """Runs GGUF models on the CPU through `xllamacpp`."""

    name = "llama_cpp"

    def __init__(self, settings: Settings, shipped: Path = SHIPPED) -> None:
        self.caps = Caps(
            load=True,
            unload=True,
            reports_memory=True,
            schema=True,
            prompt_cache=True,
            variants=True,
            shortfall=shortfall(),
        )
        self._sockets = settings.engine_sockets
        self._threads = settings.cpu_threads
        """0 lets every load decide by how busy the machine is, and looks again between requests."""
        self._unchecked = set(shipped.glob("*.gguf"))
        """Shipped weights whose checksum has not been compared yet."""
        self._named = _by_stem([*sorted(self._unchecked), *settings.gguf])
        self._store = ModelStore(settings.models)
        self._headers: dict[tuple[Path, int, int], GgufHeader] = {}
        """By path, size and time of change: a vocabulary takes long to skip on a busy machine."""
        self._models: dict[str, LlamaModel] = {}
        self._loading: dict[str, anyio.Lock] = {}
        self._answering: Counter[str] = Counter()
        """Requests per model from their acceptance to their end: with none, a worker may be replaced."""

    async def health(self) -> str:
        """Return "" if llama.cpp is installed, else what is missing."""
        if importlib.util.find_spec("xllamacpp") is None:
            return "the package xllamacpp is not installed (there is no wheel for this system)"
        return ""

    async def installed(self) -> list[InstalledModel]:
        """List the GGUF files that can be read; an unreadable one is logged and left out."""
        found: list[InstalledModel] = []
        fetched = await anyio.to_thread.run_sync(self._store.models)
        for name, path in self._files(fetched).items():
            try:
                header = await anyio.to_thread.run_sync(self._header, path)
            except LoadFailedError as error:
                logger.warning("GGUF left out", extra={"model": name, "why": error.message})
                continue
            if path == self._named.get(name):
                digest = await anyio.to_thread.run_sync(recorded_sha256, path)
            else:
                digest = fetched[name].sha256
            found.append(
                InstalledModel(name, header.size, header.details(), header.context, digest)
            )
        return found

    def _header(self, path: Path) -> GgufHeader:
        """Read a file's header, unless that was done since it last changed.

        Raises:
            LoadFailedError: the file can't be read, or is not GGUF.
        """
        try:
            now = path.stat()
        except OSError:
            return read_header(path)
        key = path, now.st_mtime_ns, now.st_size
        if key not in self._headers:
            self._headers[key] = read_header(path)
        return self._headers[key]

    def model(self, name: str) -> LlamaModel | None:
        """Return the loaded model of this name, alive or not."""
        return self._models.get(name)

    async def loaded(self) -> list[LoadedModel]:
        """List the models whose workers live; a worker that died is forgotten here."""
        for name, model in list(self._models.items()):
            if not model.alive and self._models.get(name) is model:
                del self._models[name]
                logger.warning("engine worker ended", extra={"model": name, "pid": model.pid})
                await model.end()
        return [model.footprint() for model in self._models.values()]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Start a worker for a model; the same spec again returns what is there.

        Raises:
            NoModelError: neither the catalogue nor the disk has `spec.source`.
            LoadFailedError: with llama.cpp's reason.
            ConflictError: the model is loaded with another context, slots or options.
        """
        path = self._path(spec)
        async with self._loading.setdefault(spec.name, anyio.Lock()):
            await self.loaded()
            if (model := self._models.get(spec.name)) is None:
                await self._check_shipped(path)
                threads = self._threads or await anyio.to_thread.run_sync(threads_now)
                model = await LlamaModel.load(spec, os.fspath(path), threads, self._sockets)
                self._models[spec.name] = model
            elif model.spec != spec:
                message = f"{spec.name} is loaded with another context, slots or options"
                raise ConflictError(message, next_step="Unload it first.")
            return model.footprint()

    async def unload(self, model: str) -> None:
        """End a model's worker; return when its process has exited."""
        async with self._loading.setdefault(model, anyio.Lock()):
            if (found := self._models.pop(model, None)) is not None:
                await found.end()

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream a reply; closing the generator returns when the slot is free again."""
        name = request.model
        async with self._loading.setdefault(name, anyio.Lock()):
            await self.loaded()
            if not self._answering[name]:
                await self._suit_threads(name)
            model, schema = accepted(request, self._models)
            self._answering[name] += 1
        try:
            async with aclosing(model.answer(request, schema)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._answering[name] -= 1

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Turn texts into vectors with a loaded model.

        Raises:
            NoModelError: the model is not loaded.
        """
        await self.loaded()
        if (found := self._models.get(model)) is None:
            message = f"{model} is not loaded"
            raise NoModelError(message, next_step="Load it first.")
        self._answering[model] += 1
        try:
            return await found.embed(texts, seconds)
        finally:
            self._answering[model] -= 1

    async def _suit_threads(self, name: str) -> None:
        """Load an idle model again with other threads where the machine has become busier or quieter.

        llama.cpp chooses them when it loads. Weights that are in the page cache are back in about a second.

        Raises:
            LoadFailedError: it does not come back; the model is gone then.
        """
        model = self._models.get(name)
        if self._threads or model is None or (busy := model.others.look()) is None:
            return
        threads = suited(model.threads, usable_cores(), busy)
        if threads == model.threads:
            return
        change = {"model": name, "threads": threads, "before": model.threads}
        logger.info("other threads suit the machine now", extra=change | {"busy": round(busy, 2)})
        path = self._path(model.spec)
        del self._models[name]
        await model.end()
        self._models[name] = await LlamaModel.load(
            model.spec, os.fspath(path), threads, self._sockets
        )

    async def close(self) -> None:
        """End every worker."""
        for name in list(self._models):
            await self.unload(name)

    def _files(self, fetched: Mapping[str, StoredModel]) -> dict[str, Path]:
        """Return name -> file; what a person named comes before what was fetched."""
        return {name: Path(model.path) for name, model in fetched.items()} | self._named

    def _path(self, spec: ModelSpec) -> Path:
        source, files = spec.source or spec.name, self._files(self._store.models())
        if (path := files.get(source)) is not None and path.exists():
            return path
        path = Path(source)
        if path.is_absolute() and path.is_file():
            return path
        known = ", ".join(files) or "none"
        step = (
            f"Known are: {known}. Name a GGUF file in ATOS_GGUF, or run `atos-client models pull`."
        )
        message = f"there is no GGUF model {source!r}"
        raise NoModelError(message, next_step=step)

    async def _check_shipped(self, path: Path) -> None:
        """Compare shipped weights with their checksum, once per process."""
        if path in self._unchecked:
            await anyio.to_thread.run_sync(check_sha256, path)
            self._unchecked.discard(path)


def recorded_sha256(weights: Path) -> str:
    """Return the checksum that stands beside a file (`<name>.sha256`), "" if none does.

    It is not computed: a model of several GB takes minutes.
    """
    try:
        return weights.with_name(f"{weights.name}.sha256").read_text(encoding="ascii").split()[0]
    except (OSError, ValueError, IndexError):
        return ""


def check_sha256(weights: Path) -> None:
    """Compare a file with the checksum beside it (`<name>.sha256`).

    Raises:
        LoadFailedError: they differ, or one of them is missing.
    """
    try:
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        message = f"{weights.name} can't be read: {error}"
        raise LoadFailedError(message, next_step="Install atos again.") from error
    wanted = recorded_sha256(weights) or "unknown"
    if found != wanted:
        message = f"{weights.name} is damaged: its sha256 is {found[:12]}..., not {wanted[:12]}..."
        raise LoadFailedError(message, next_step="Install atos again.")


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            message = f"ATOS_GGUF names two models {path.stem!r}: {found[path.stem]} and {path}"
            raise BadConfigError(message, next_step="Rename one of the files.")
        found[path.stem] = path.absolute()
    return found
