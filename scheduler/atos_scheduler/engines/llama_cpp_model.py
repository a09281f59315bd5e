"""One model in one llama.cpp worker: its slots, and a reply streamed from one of them.

A slot goes free -> busy -> free. It becomes free only when llama.cpp has confirmed it: at the last
event of a reply, or, when a reply is cancelled, once `/slots` reports it idle again. A worker that
never confirms is killed, because its slot could not be used any more.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from atos_daemon import outbound_http
from atos_protocol.errors import EngineError
from atos_scheduler.engines import llama_cpp_wire as wire
from atos_scheduler.engines import openai_wire
from atos_scheduler.engines.engine_process import EngineProcess
from atos_scheduler.engines.engine_socket import new_socket, remove
from atos_scheduler.engines.protocol import Chunk, Embeddings, LoadedModel, ModelSpec, Request
from atos_scheduler.engines.schema import Schema
from atos_scheduler.engines.slots import Slots
from atos_scheduler.engines.stream import ReplyCheck, before, broken_off, posted_lines
from atos_scheduler.engines.threads import OtherWork

if TYPE_CHECKING:
    import httpx

WORKER = "atos_scheduler.engines.llama_cpp_worker"
LOAD_SECONDS = 300.0
CONFIRM_SECONDS = 60.0
"""Longest wait for a cancelled slot: llama.cpp looks up between batches of a long prompt."""
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
    ) -> None:
        self.spec = spec
        self.threads = threads
        self.others = OtherWork(process.pid)
        self._process = process
        self.client = client
        self.socket = socket
        self._slots = Slots(spec.name, spec.slots)
        self._at_load = process.memory()

    @classmethod
    async def load(
        cls,
        spec: ModelSpec,
        path: str,
        threads: int,
        sockets: Path,
        *,
        seconds: float = LOAD_SECONDS,
    ) -> LlamaModel:
        """Start a worker for a GGUF file, which must be ready within `seconds`.

        Args:
            spec: how to load it.
            path: the file, absolute.
            threads: of the CPU.
            sockets: folder in which the worker's own is made, with its socket.
            seconds: how long it may take.

        Raises:
            LoadFailedError: with llama.cpp's reason.
        """
        import httpx  # 0.2 s of start-up that the scheduler pays only when it loads a model

        key = secrets.token_hex(16)
        socket = await anyio.to_thread.run_sync(new_socket, sockets)
        config = {
            "path": path,
            "socket": str(socket),
            "key": key,
            "slots": spec.slots,
            "context": spec.context,
            "threads": threads,
            "prompt_cache": spec.prompt_cache if spec.slots == 1 else 0,
            "pooling": not any(word in spec.name.lower() for word in EMBEDDING_NAMES),
        }
        try:
            process = await EngineProcess.start(WORKER, config, seconds)
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
        return cls(spec, process, client, socket, threads)

    @property
    def alive(self) -> bool:
        """False as soon as the worker has ended."""
        return self._process.alive

    @property
    def confined(self) -> str:
        """What confines the worker, such as `landlock 7, seccomp`; "" where the system has nothing."""
        return str(self._process.ready["confined"])

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def footprint(self) -> LoadedModel:
        """Return the worker's resident memory now; its prompt cache counts from the start."""
        total = self.spec.context * self.spec.slots
        now = max(self._process.memory(), self._at_load + self.spec.prompt_cache)
        return LoadedModel(self.spec.name, now, vram=0, context=total)

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
                        if (found := wire.event(line)) is None:
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
        """Wait until llama.cpp reports a slot idle; False if it never does."""
        import httpx

        with anyio.move_on_after(CONFIRM_SECONDS):
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
