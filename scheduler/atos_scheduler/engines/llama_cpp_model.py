"""One model in one llama.cpp worker: its slots, and a reply streamed from one of them.

A slot goes free -> busy -> free. It becomes free only when llama.cpp has confirmed it: at the last
event of a reply, or, when a reply is cancelled, once `/slots` reports it idle again. A worker that
does not is killed, at once if its model would be back sooner than its batch is done.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from atos_daemon import outbound_http
from atos_protocol.errors import EngineError
from atos_scheduler.core.estimate import BATCH
from atos_scheduler.engines import llama_cpp_wire as wire
from atos_scheduler.engines import openai_wire
from atos_scheduler.engines.engine_process import EngineProcess
from atos_scheduler.engines.engine_socket import new_socket, remove
from atos_scheduler.engines.llama_server import ALL_LAYERS
from atos_scheduler.engines.protocol import Chunk, Embeddings, LoadedModel, ModelSpec, Request
from atos_scheduler.engines.schema import Schema
from atos_scheduler.engines.slots import Slots
from atos_scheduler.engines.stream import ReplyCheck, before, broken_off, posted_lines
from atos_scheduler.engines.threads import OtherWork

if TYPE_CHECKING:
    import httpx

WORKER = "atos_scheduler.engines.llama_cpp_worker"
SERVER_WORKER = "atos_scheduler.engines.llama_server_worker"
LOAD_SECONDS = 300.0
CONFIRM_SECONDS = 60.0
"""Longest wait for a cancelled slot, where others of the worker still answer."""
LEAST_PATIENCE = 0.5
"""Shortest wait for a cancelled slot before the worker is killed, which is done after the time of a load:
so the cancellation costs at most twice what the better of waiting and loading again would."""
PROBE_SECONDS = 3.0
MOST_MISSED = 3
"""Probes in a row that a worker which computes may leave unanswered: a busy machine is no dead one."""
BATCH_BYTES = 32 << 20
"""Weights x tokens of a batch that take half a second or so on two cores (`batch_of`)."""
EMBEDDING_NAMES = ("embed", "bert", "bge", "e5-", "minilm", "gte-")
"""Words in the names of models that are made for embeddings, and so have a pooling of their own."""
EXIT_SECONDS = 0.5
"""Wait for the exit of a worker whose connection broke: the break is seen first."""
POLL_SECONDS = 0.01
CONNECT_SECONDS = 5.0


class LlamaModel:
    """A loaded model; made by `load`, ended by `end`."""

    def __init__(
        self,
        spec: ModelSpec,
        process: EngineProcess,
        client: httpx.AsyncClient,
        socket: Path,
        threads: int,
        loading: float,
    ) -> None:
        self.spec = spec
        self.threads = threads
        self.others = OtherWork(process.pid)
        self._process = process
        self.client = client
        self.socket = socket
        self._slots = Slots(spec.name, spec.slots)
        self._at_load = process.memory()[0]
        self._loading = loading
        """Seconds that its load took."""
        self._missed = 0
        self.on_gpu = False
        self.vram = 0
        """Bytes of the GPU that its process takes, as last looked at; 0 if that is not known."""

    @classmethod
    async def load(
        cls,
        spec: ModelSpec,
        path: str,
        threads: int,
        sockets: Path,
        *,
        binary: str = "",
        gpu: bool = False,
        seconds: float = LOAD_SECONDS,
    ) -> LlamaModel:
        """Start a worker for a GGUF file, which must be ready within `seconds`.

        Args:
            spec: how to load it.
            path: the file, absolute.
            threads: of the CPU.
            sockets: folder in which the worker's own is made, with its socket.
            binary: the `llama-server` to run; "" for the embedded library.
            gpu: whether all layers go to the GPU.
            seconds: how long it may take.

        Raises:
            LoadFailedError: with llama.cpp's reason.
        """
        import httpx  # 0.2 s of start-up that the scheduler pays only when it loads a model

        began, key = time.monotonic(), secrets.token_hex(16)
        socket = await anyio.to_thread.run_sync(new_socket, sockets)
        config = {
            "path": path,
            "socket": str(socket),
            "key": key,
            "slots": spec.slots,
            "context": spec.context,
            "threads": threads,
            "cache": spec.cache,
            "batch": BATCH
            if gpu
            else batch_of(await anyio.to_thread.run_sync(os.path.getsize, path)),
            "binary": binary,
            "gpu_layers": ALL_LAYERS if gpu else 0,
            "prompt_cache": spec.prompt_cache if spec.slots == 1 else 0,
            "pooling": not any(word in spec.name.lower() for word in EMBEDDING_NAMES),
        }
        try:
            process = await EngineProcess.start(
                SERVER_WORKER if binary else WORKER, config, seconds
            )
        except BaseException:
            remove(socket)
            raise
        client = outbound_http.async_unix_client(
            socket,
            "http://llama.cpp",
            httpx.Timeout(None, connect=CONNECT_SECONDS),  # deadlines are set per call
            headers={"authorization": f"Bearer {key}"},
            keep=0,  # llama.cpp may close a connection under us
        )
        model = cls(spec, process, client, socket, threads, time.monotonic() - began)
        model.on_gpu = gpu
        return model

    @property
    def alive(self) -> bool:
        """False as soon as the worker has ended."""
        return self._process.alive

    @property
    def confined(self) -> str:
        """What confines the worker, such as `landlock 7, seccomp`; "" where the system has nothing."""
        return str(self._process.ready["confined"])

    @property
    def engine_pid(self) -> int:
        """The process that holds the model, which a worker may have started."""
        return self._process.engine_pid

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def footprint(self) -> LoadedModel:
        """Return the worker's resident memory now; its prompt cache counts from the start."""
        total = self.spec.context * self.spec.slots
        resident, mapped = self._process.memory()
        if self.on_gpu and not self.vram:  # the driver does not say: the estimate stands
            return LoadedModel(self.spec.name, 0, vram=0, context=total)
        if self.on_gpu:
            size = resident + self.vram
            return LoadedModel(self.spec.name, size, self.vram, context=total, mapped=mapped)
        now = max(resident, self._at_load + self.spec.prompt_cache)
        return LoadedModel(self.spec.name, now, vram=0, context=total, mapped=mapped)

    async def probe(self) -> bool:
        """Ask the worker for a sign of life; one that gives none is killed.

        A worker that has not even computed since it was asked is stopped or hangs. One that has is given
        more time, since it may only be slow.

        Returns:
            Whether it lives.
        """
        import httpx

        spent = self._process.cpu_seconds()
        try:
            with anyio.fail_after(PROBE_SECONDS):
                await self.client.get("/health")
        except (httpx.HTTPError, TimeoutError):
            self._missed += 1
            if self._process.cpu_seconds() > spent and self._missed < MOST_MISSED:
                return True
            with suppress(TimeoutError):
                await self._process.kill()
            return False
        self._missed = 0
        return self.alive

    async def end(self) -> None:
        """End the worker; return when its process has exited and its memory is free."""
        with anyio.CancelScope(shield=True):
            await self._process.end()  # first, so that running replies fail with its exit
            await self.client.aclose()
            remove(self.socket)

    async def answer(self, request: Request, schema: Schema | None) -> AsyncGenerator[Chunk]:
        """Stream a reply; a schema that is given must be prepared."""
        give_up = time.monotonic() + request.deadline
        async with self._http_errors():
            prompt = request.prompt or await self._render(request, give_up)
            slot = self._slots.take(prompt)
            done = False
            try:
                body = wire.completion(request, prompt, self.spec, slot, schema)
                check = ReplyCheck(schema, strict=request.strict)
                stream = posted_lines(self.client, "/completion", body, give_up, wire.failure)
                async with aclosing(stream) as lines:
                    async for line in lines:
                        if (found := wire.event(line)) is None or wire.is_progress(found):
                            continue
                        chunk = wire.chunk(found)
                        done = chunk.done
                        check.see(chunk)
                        yield chunk
            finally:
                await self._give_back(slot, prompt, confirmed=done)
        if not done:
            raise broken_off()

    async def embed(self, texts: Sequence[str], seconds: float) -> Embeddings:
        """Return a vector for each text; a slot is held meanwhile.

        Raises:
            BadRequestError: a text is longer than the model reads at once.
            DeadlineError: it took longer than `seconds`.
            EngineError: the worker failed.
        """
        give_up = time.monotonic() + seconds
        async with self._http_errors():
            slot, done = self._slots.take(""), False
            try:
                with before(give_up):
                    body = {"input": list(texts)}
                    reply = await self.client.post("/v1/embeddings", json=body)
                done = True
            finally:
                await self._give_back(slot, "", confirmed=done)
        if reply.status_code != 200:
            raise wire.failure(reply.status_code, reply.text)
        return openai_wire.vectors(reply.json())

    async def _render(self, request: Request, give_up: float) -> str:
        """Render messages with the model's own chat template, and begin the reply if one is begun."""
        with before(give_up):
            reply = await self.client.post("/apply-template", json=wire.conversation(request))
        if reply.status_code != 200:
            raise wire.failure(reply.status_code, reply.text)
        return reply.json()["prompt"] + request.begun

    async def _give_back(self, slot: int, prompt: str, *, confirmed: bool) -> None:
        with anyio.CancelScope(shield=True):
            if confirmed or await self._confirmed_idle(slot):
                self._slots.give_back(slot, prompt)
            else:
                await self._process.kill()

    async def _confirmed_idle(self, slot: int) -> bool:
        """Wait until llama.cpp reports a slot idle; False if it does not soon enough."""
        import httpx

        alone = self._slots.busy == 1  # nobody else loses a reply if the worker is killed
        patience = max(LEAST_PATIENCE, self._loading) if alone else CONFIRM_SECONDS
        with anyio.move_on_after(patience):
            while self.alive:
                try:
                    slots = (await self.client.get("/slots")).json()
                except httpx.HTTPError:
                    return False
                if not next(s["is_processing"] for s in slots if s["id"] == slot):
                    return True
                await anyio.sleep(POLL_SECONDS)
        return False

    @asynccontextmanager
    async def _http_errors(self) -> AsyncGenerator[None]:
        """Turn a broken connection into an error that says how the worker ended."""
        import httpx

        try:
            yield
        except httpx.HTTPError as error:
            await self._process.wait_exited(EXIT_SECONDS)
            reason = (
                self._process.exit_reason()
                or f"broke the connection ({error or type(error).__name__})"
            )
            message = f"the worker of {self.spec.name} {reason}"
            raise EngineError(message, next_step="Load the model again.") from error


def batch_of(weights: int) -> int:
    """Return the tokens of a prompt that are read between two looks at what was cancelled.

    The larger the model the fewer: 64 for 0.5B, 16 from 1.5B on. Smaller batches make a prompt dearer:
    of Qwen2.5-Coder-0.5B it took 7.3 core seconds at 128 and at 2,048 tokens, 7.7 at 64, 8.4 at 32, 9.1 at 16.
    """
    fitting = BATCH_BYTES * 1024 // max(1, weights)
    return min(128, max(16, 1 << (fitting.bit_length() - 1 if fitting else 0)))
