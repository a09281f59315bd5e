"""One request to a model, from its demand to its last byte.

    candidates ──▶ demand ──▶ granted ──▶ engine call ──▶ finished
        │            │           │            │
        └────────────┴───────────┴────────────┴──▶ error (its status is kept until the first text)

The engine call runs in the daemon's own task group and writes into a buffer that holds a whole
reply, so a client that reads slowly or not at all does not hold a slot: the lease ends when the
engine has finished, when the client disconnects, or at the deadline. A cancelled engine keeps its slot
until it has confirmed, because the lease is released only after its generator is closed.
"""

from __future__ import annotations

import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup

from atos_daemon.log_context import log_about
from atos_protocol.errors import (
    AtosError,
    DeadlineError,
    EngineError,
    NoModelError,
    RepetitionError,
)
from atos_protocol.scheduler_api import ONLY_WAITED, Demand
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.contracts import plain_name
from atos_scheduler.core.events import UnloadAsked
from atos_scheduler.dispatcher import Dispatcher
from atos_scheduler.engines.protocol import Chunk, Embeddings, Request
from atos_scheduler.gateway.repetition import Repetition
from atos_scheduler.gateway.request_binding import bound, with_context
from atos_scheduler.lease_request import Granted, LeaseRequest

logger = logging.getLogger(__name__)

BUFFER = 32_768
"""Chunks kept for a slow reader; more than a reply can have at the contexts that are served."""
SHOWN = 60
"""Characters of a repeated part in a message."""


@dataclass(frozen=True, slots=True)
class GenerationCall:
    """One request as the gateway has read it."""

    model: str
    """The name of a model, or of a pool with its prefix."""
    request: Request
    demand: Demand
    seconds: float
    """Time limit for the whole reply, waiting included."""
    context: int = 0
    """Context that the client asks for; 0 if it names none."""
    unset: frozenset[str] = frozenset()
    """Options of `request_binding.FROZEN` that the client did not set."""
    unload: bool = False
    """Whether the model is to be unloaded afterwards."""
    texts: tuple[str, ...] = ()
    """Texts to be turned into vectors, instead of a reply."""
    lenient: bool = False
    """Whether a reply that repeats itself ends as one that ran into its limit, not as an error."""


@dataclass(frozen=True, slots=True)
class GenerationStarted:
    """The request has its lease and goes to the engine now."""

    model: str
    engine: str
    pool: str
    lease: str
    queued: float
    """Seconds from the demand to here, a load included."""
    loading: float
    """Those of them in which the model was loaded."""
    started_at: float
    why: str = ""
    """Why it was loaded, where this request waited for that."""
    victims: tuple[str, ...] = ()
    """What had to go for it."""


@dataclass(frozen=True, slots=True)
class GenerationFinished:
    """The engine has finished and released the slot."""

    at: float


Item = GenerationStarted | Chunk | Embeddings | GenerationFinished | AtosError


class _ModelLostError(Exception):
    """The model was gone before it sent any text."""

    def __init__(self, error: AtosError) -> None:
        super().__init__(str(error))
        self.error = error


class Generation:
    """Runs one call; `items` yields what it produces, and `cancel` ends it early."""

    def __init__(self, call: GenerationCall, catalogue: Catalogue, dispatcher: Dispatcher) -> None:
        self._call = call
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._scope = anyio.CancelScope()
        self._ends = anyio.current_time() + call.seconds
        self._granted = False
        self._text_sent = False
        """From the first text on a failure can't be hidden by a second attempt."""
        self._sink, self.items = anyio.create_memory_object_stream[Item](BUFFER)

    def start(self, group: TaskGroup) -> None:
        """Start in a task group that outlives the client's connection."""
        group.start_soon(self._run)

    def cancel(self) -> None:
        """Withdraw the demand, or stop the engine."""
        self._scope.cancel()

    async def _run(self) -> None:
        demand, pool = self._call.demand, self._catalogue.contract(self._call.model)
        about = log_about(goal=demand.goal, task=demand.task, pool=pool.name if pool else "")
        with self._scope, self._sink, about:
            try:
                with anyio.fail_after(self._call.seconds):
                    await self._answer()
            except TimeoutError:
                message = f"the answer was not complete within {self._call.seconds:.1f} s"
                step = "Allow more time in x-atos-deadline, or ask for fewer tokens."
                self._fail(DeadlineError(message, next_step=step))
            except AtosError as error:
                self._fail(error)
            except Exception as failure:  # one request's failure must not end the daemon
                logger.exception("request to %s failed", self._call.model)
                message = f"the scheduler failed on this request: {failure!r}"
                self._put(AtosError(message, next_step="See logs/scheduler.log."))

    def _put(self, item: Item) -> None:
        try:
            self._sink.send_nowait(item)
        except (anyio.BrokenResourceError, anyio.WouldBlock):
            self._scope.cancel()  # the reader is gone, or a whole buffer behind

    def _fail(self, error: AtosError) -> None:
        """End with an error; one that came too late says whether it had a model at all."""
        if isinstance(error, DeadlineError) and not self._granted:
            error.data[ONLY_WAITED] = True
        self._put(error)

    async def _answer(self) -> None:
        try:
            await self._attempt()
        except _ModelLostError as lost:
            logger.warning("asking again, since %s", lost.error)
            try:
                await self._attempt()
            except _ModelLostError as again:
                raise again.error from again

    async def _attempt(self) -> None:
        call, self._granted = self._call, False
        found = await self._catalogue.candidates(call.model)
        deployments = with_context(call.model, call.context, found, self._catalogue)
        pool = self._catalogue.contract(call.model)
        name = pool.name if pool else ""
        seconds = self._ends - anyio.current_time()
        request = self._dispatcher.request(deployments, name, call.demand, seconds)
        try:
            granted = await request.granted()
            self._granted = True
            try:
                took = await self._dispatcher.loader.prepare(granted.deployment.name)
                times = granted.waited + took, granted.loading + took
                granted = replace(granted, waited=times[0], loading=times[1])
                await self._generate(request, granted, name)
            finally:
                if call.unload:
                    self._dispatcher.post(UnloadAsked(granted.deployment.name))
        finally:
            request.release()

    async def _generate(self, lease: LeaseRequest, granted: Granted, pool: str) -> None:
        engine, model = granted.deployment.engine, granted.deployment.name
        request = bound(self._call.request, granted.deployment, self._call.unset)
        request = replace(request, deadline=max(0.1, self._ends - anyio.current_time()))
        times = granted.waited, granted.loading, time.time()
        gone = tuple(map(plain_name, granted.victims))
        started = GenerationStarted(
            plain_name(model), engine.name, pool, lease.id, *times, granted.why, gone
        )
        self._put(started)
        _log_start(started)
        if not (request.messages or request.prompt or self._call.texts):
            self._put(GenerationFinished(time.time()))  # only a load was wanted
            return
        try:
            with lease.scope:
                work = self._embed if self._call.texts else self._stream
                await work(granted, request)
        except (EngineError, NoModelError) as error:
            if not await self._dispatcher.check_residency(model):
                raise
            lost = _lost(error)
            if self._text_sent:
                raise lost from error
            raise _ModelLostError(lost) from error
        if lease.revoked is not None:
            if isinstance(lease.revoked, EngineError) and not self._text_sent:
                raise _ModelLostError(lease.revoked)
            raise lease.revoked

    async def _embed(self, granted: Granted, request: Request) -> None:
        engine, model = granted.deployment.engine, granted.deployment.name
        self._put(await engine.embed(model, self._call.texts, request.deadline))
        self._put(GenerationFinished(time.time()))

    async def _stream(self, granted: Granted, request: Request) -> None:
        """Pass the engine's chunks on; its slot is free when `GenerationFinished` is put."""
        done, repetition, pieces = False, Repetition(), 0
        async with aclosing(granted.deployment.engine.answer(request)) as chunks:
            async for chunk in chunks:
                self._put(chunk)
                self._text_sent = self._text_sent or bool(chunk.text)
                done = done or chunk.done
                pieces += 1
                if not done and (part := repetition.see(chunk.text)):
                    if not self._call.lenient:
                        raise _repeats(granted.deployment.name, part)
                    self._put(Chunk(done=True, reason="length", tokens=pieces))
                    done = True
                    break
        if not done:
            message = f"{granted.deployment.engine.name} ended the reply before it was complete"
            raise EngineError(message, next_step="Try again.")
        self._put(GenerationFinished(time.time()))


def _log_start(started: GenerationStarted) -> None:
    """Say in the pool's log who answers, and what the request waited for."""
    loaded = f", {started.loading:.1f} s of it for its load" if started.loading else ""
    name, waited = f"{started.model} on {started.engine}", f"after {started.queued:.1f} s{loaded}"
    logger.info("%s answers %s %s", name, started.lease, waited)


def _lost(error: AtosError) -> EngineError:
    """Return the error of a model that was there and is gone: it is not unknown, and comes back."""
    if isinstance(error, EngineError):
        return error
    return EngineError(error.message, next_step="Try again: it is loaded again.")


def _repeats(model: str, part: str) -> RepetitionError:
    shown = part if len(part) <= SHOWN else f"{part[:SHOWN]}..."
    message = f"{model} repeated itself without end, so its reply was ended: {shown!r}"
    step = "Ask another way, with a higher temperature, or another model."
    return RepetitionError(message, next_step=step)
