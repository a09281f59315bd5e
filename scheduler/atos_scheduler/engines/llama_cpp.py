"""The engine for GGUF files: llama.cpp workers, one process per loaded model, embedded or `llama-server`.

It needs no server and no GPU, so a fresh machine has real inference. Which files it knows is said in
`gguf_files`; what their headers say is kept in `header_cache`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import (
    ConflictError,
    LoadFailedError,
    NoModelError,
)
from atos_protocol.settings import Settings
from atos_scheduler.devices.nvml import Nvml
from atos_scheduler.engines.confinement import shortfall
from atos_scheduler.engines.gguf_files import GgufFiles, recorded_sha256
from atos_scheduler.engines.gguf_header import GgufHeader
from atos_scheduler.engines.header_cache import HeaderCache
from atos_scheduler.engines.llama_cpp_model import LlamaModel
from atos_scheduler.engines.llama_server import LlamaServer
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
from atos_scheduler.models.store import ModelStore

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights in the package, each with its `.sha256` beside it."""
READ_SECONDS = 1.0
"""Longest wait of one listing for headers that are not known yet; they are read on meanwhile."""
UNREAD = {"format": "gguf", "unread": True}


class LlamaCpp:
    """Runs GGUF models on the CPU through `xllamacpp`."""

    name = "llama_cpp"

    def __init__(
        self,
        settings: Settings,
        shipped: Path = SHIPPED,
        server: LlamaServer | None = None,
        used_by: Callable[[int], Awaitable[int]] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: where files are, and how many threads they get.
            shipped: folder of the weights in the package.
            server: the binary that runs the models; None for the embedded library.
            used_by: returns the bytes of the GPU that a process takes, 0 if that is not known.
        """
        self._used_by = used_by or Nvml().used_by
        self.caps = Caps(
            load=True,
            unload=True,
            reports_memory=True,
            schema=True,
            devices=("cuda",) if server and server.gpus else ("cpu",),
            prompt_cache=True,
            variants=True,
            slots=True,
            shortfall=f"model files are parsed by {server.path}, unconfined"
            if server
            else shortfall(),
        )
        self._server = server
        """The binary that runs the models; None for the embedded library."""
        self._sockets = settings.engine_sockets
        self._threads = settings.cpu_threads
        """0 lets every load decide by how busy the machine is, and looks again between requests."""
        self._unchecked = set(shipped.glob("*.gguf"))
        """Shipped weights whose checksum has not been compared yet."""
        self._files = GgufFiles(sorted(self._unchecked), settings.gguf, ModelStore(settings.models))
        self._headers = HeaderCache(settings.state / "gguf-headers.json")
        self._models: dict[str, LlamaModel] = {}
        self._loading: dict[str, anyio.Lock] = {}
        self._answering: Counter[str] = Counter()
        """Requests per model from their acceptance to their end: with none, a worker may be replaced."""

    async def health(self) -> str:
        """Return "" if llama.cpp is installed, else what is missing."""
        if self._server is not None:
            return self._server.trouble
        if importlib.util.find_spec("xllamacpp") is None:
            return "the package xllamacpp is not installed (there is no wheel for this system)"
        return ""

    async def installed(self) -> list[InstalledModel]:
        """List the GGUF files; one that is no model is logged and left out.

        A header that was not read in time is said so in `details`: the model can be asked by its name,
        and joins the pools when more is known of it.
        """
        return await anyio.to_thread.run_sync(self._list)

    def _list(self) -> list[InstalledModel]:
        files = self._files.all()
        headers = self._headers.look([file.path for file in files.values()], READ_SECONDS)
        found = list[InstalledModel]()
        for name, file in files.items():
            match headers[file.path]:
                case GgufHeader() as header:
                    size, details, context = header.size, header.details(), header.context
                case None:
                    size, details, context = file.path.stat().st_size, dict(UNREAD), 0
                case _:
                    continue
            found.append(InstalledModel(name, size, details, context, file.sha256))
        return found

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
        for model in self._models.values():
            await self._look_at_gpu(model)
        return [model.footprint() for model in self._models.values()]

    async def _look_at_gpu(self, model: LlamaModel) -> None:
        if model.on_gpu:
            model.vram = await self._used_by(model.engine_pid)

    async def probe(self) -> None:
        """Ask every worker for a sign of life; those that give none are killed, and forgotten."""
        async with anyio.create_task_group() as group:
            for name, model in self._models.items():
                group.start_soon(self._probe, name, model)
        await self.loaded()

    async def _probe(self, name: str, model: LlamaModel) -> None:
        if model.alive and not await model.probe():
            logger.warning("engine worker was silent", extra={"model": name, "pid": model.pid})

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Start a worker for a model; the same spec again returns what is there.

        Raises:
            NoModelError: neither the catalogue nor the disk has `spec.source`.
            LoadFailedError: with llama.cpp's reason.
            ConflictError: the model is loaded with another context, slots or options.
        """
        path = await self._path(spec)
        async with self._loading.setdefault(spec.name, anyio.Lock()):
            await self.loaded()
            if (model := self._models.get(spec.name)) is None:
                await self._check_shipped(path)
                threads = self._threads or await anyio.to_thread.run_sync(threads_now)
                self._models[spec.name] = await self._start(spec, path, threads)
                model = self._models[spec.name]
                await self._look_at_gpu(model)
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
        if self._threads or model is None or model.on_gpu or (busy := model.others.look()) is None:
            return
        threads = suited(model.threads, usable_cores(), busy)
        if threads == model.threads:
            return
        change = {"model": name, "threads": threads, "before": model.threads}
        logger.info("other threads suit the machine now", extra=change | {"busy": round(busy, 2)})
        path = await self._path(model.spec)
        del self._models[name]
        await model.end()
        self._models[name] = await self._start(model.spec, path, threads)

    async def _start(self, spec: ModelSpec, path: Path, threads: int) -> LlamaModel:
        server = self._server
        return await LlamaModel.load(
            spec,
            os.fspath(path),
            threads,
            self._sockets,
            binary=server.path if server else "",
            gpu=bool(server and server.gpus),
        )

    async def close(self) -> None:
        """End every worker."""
        for name in list(self._models):
            await self.unload(name)

    async def _path(self, spec: ModelSpec) -> Path:
        source = spec.source or spec.name
        files = await anyio.to_thread.run_sync(self._files.all)
        if (file := files.get(source)) is not None and await anyio.to_thread.run_sync(
            file.path.exists
        ):
            return file.path
        path = Path(source)
        if path.is_absolute() and await anyio.to_thread.run_sync(path.is_file):
            return path
        message = f"there is no GGUF model {source!r}"
        near = difflib.get_close_matches(source, files, n=3, cutoff=0.4) or sorted(files)[:3]
        step = (
            f"Near it are: {', '.join(near) or 'none'}. Name a GGUF file or folder in ATOS_GGUF,"
            " or run `atos-client models pull`."
        )
        raise NoModelError(message, next_step=step)

    async def _check_shipped(self, path: Path) -> None:
        """Compare shipped weights with their checksum, once per process."""
        if path in self._unchecked:
            await anyio.to_thread.run_sync(check_sha256, path)
            self._unchecked.discard(path)


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
