"""One request to a model, from its demand to its last byte.

    resolve ──▶ demand ──▶ granted ──▶ engine call ──▶ finished
       │           │           │            │
       └───────────┴───────────┴────────────┴──▶ error (its status is kept until the first text)

The engine call runs in the daemon's own task group and writes into a buffer that holds a whole
reply, so a client that reads slowly or not at all does not keep a slot: the lease ends when the
engine is done, when the client has gone away, or at the deadline. A cancelled engine keeps its slot
until it has confirmed, because the lease is released only after its generator is closed.
"""

from __future__ import annotations

import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    DeadlineError,
    EngineError,
    NoModelError,
)
from atos_protocol.scheduler_api import Demand
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.contracts import Offer
from atos_scheduler.core.events import UnloadAsked
from atos_scheduler.dispatcher import Dispatcher
from atos_scheduler.engines.protocol import Chunk, Request
from atos_scheduler.lease_request import Granted, LeaseRequest

logger = logging.getLogger(__name__)

BUFFER = 32_768
"""Chunks kept for a slow reader; more than a reply can have at the contexts that are served."""
FROZEN = {
    "temperature": "temperature",
    "seed": "seed",
    "stop": "stop",
    "num_predict": "max_tokens",
}
"""Option of a model, as `models.yaml` has it -> field of a request that it stands in for."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked, of whom, and how urgently."""

    model: str
    """A model's name, or a pool's with its prefix."""
    request: Request
    demand: Demand
    seconds: float
    """Time for all of it, waiting included."""
    context: int = 0
    """Context that the client asks for; 0 if it does not care."""
    unset: frozenset[str] = frozenset()
    """Options of `FROZEN` that the client left open."""
    unload: bool = False
    """Whether the model shall leave memory afterwards."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The engine was asked just now."""

    model: str
    engine: str
    pool: str
    lease: str
    queued: float
    started_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The engine is done."""

    at: float


Item = Begun | Chunk | Ended | AtosError


class _LostError(Exception):
    """The model was gone before it said anything."""

    def __init__(self, error: AtosError) -> None:
        super().__init__(str(error))
        self.error = error


class Generation:
    """Runs one call; `items` gives what comes of it, and `cancel` ends it early."""

    def __init__(self, call: Call, catalogue: Catalogue, dispatcher: Dispatcher) -> None:
        self._call = call
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._scope = anyio.CancelScope()
        self._ends = anyio.current_time() + call.seconds
        self._told = False
        """Whether any text was passed on: from then on a failure can't be hidden."""
        self._sink, self.items = anyio.create_memory_object_stream[Item](BUFFER)

    def start(self, group: TaskGroup) -> None:
        """Begin, in a task group that outlives the client's connection."""
        group.start_soon(self._run)

    def cancel(self) -> None:
        """Withdraw the demand, or stop the engine."""
        self._scope.cancel()

    async def _run(self) -> None:
        with self._scope, self._sink:
            try:
                with anyio.fail_after(self._call.seconds):
                    await self._answer()
            except TimeoutError:
                message = f"the answer was not complete within {self._call.seconds:.1f} s"
                step = "Allow more time in x-atos-deadline, or ask for fewer tokens."
                self._put(DeadlineError(message, next_step=step))
            except AtosError as error:
                self._put(error)
            except Exception as failure:  # one request's failure must not end the daemon
                logger.exception("request to %s failed", self._call.model)
                message = f"the scheduler failed on this request: {failure!r}"
                self._put(AtosError(message, next_step="See logs/scheduler.log."))

    def _put(self, item: Item) -> None:
        try:
            self._sink.send_nowait(item)
        except (anyio.BrokenResourceError, anyio.WouldBlock):
            self._scope.cancel()  # nobody reads, or has read for a whole buffer

    async def _answer(self) -> None:
        try:
            await self._attempt()
        except _LostError as lost:
            # its model had died before it was asked, or before it said a word: once more
            logger.warning("asking again, since %s", lost.error)
            try:
                await self._attempt()
            except _LostError as again:
                raise again.error from again

    async def _attempt(self) -> None:
        call = self._call
        offers = _with_context(call, await self._catalogue.candidates(call.model))
        pool = self._catalogue.contract(call.model)
        name = pool.name if pool else ""
        seconds = self._ends - anyio.current_time()
        ticket = self._dispatcher.request(offers, name, call.demand, seconds)
        try:
            granted = await ticket.granted()
            try:
                await self._dispatcher.loader.prepare(granted.offer.name)
                await self._use(ticket, granted, name)
            finally:
                if call.unload:
                    self._dispatcher.post(UnloadAsked(granted.offer.name))
        finally:
            ticket.release()

    async def _use(self, ticket: LeaseRequest, granted: Granted, pool: str) -> None:
        engine, model = granted.offer.engine, granted.offer.name
        request = fitted(self._call.request, granted.offer, self._call.unset)
        request = replace(request, deadline=max(0.1, self._ends - anyio.current_time()))
        begun = Begun(model, engine.name, pool, ticket.lease, granted.waited, time.time())
        self._put(begun)
        if not request.messages and not request.prompt:
            self._put(Ended(time.time()))  # only the model was wanted, and it is there now
            return
        try:
            with ticket.scope:
                await self._stream(granted, request)
        except (EngineError, NoModelError) as error:
            if await self._dispatcher.look_after(model) and not self._told:
                raise _LostError(error) from error
            raise
        if ticket.revoked is not None:
            raise ticket.revoked

    async def _stream(self, granted: Granted, request: Request) -> None:
        """Pass the engine's chunks on; it has let go of the slot when `Ended` is stamped."""
        done = False
        async with aclosing(granted.offer.engine.answer(request)) as chunks:
            async for chunk in chunks:
                self._put(chunk)
                self._told = self._told or bool(chunk.text)
                done = done or chunk.done
        if not done:
            message = f"{granted.offer.engine.name} ended the reply before it was complete"
            raise EngineError(message, next_step="Try again.")
        self._put(Ended(time.time()))


def _with_context(call: Call, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
    """Return the models whose frozen context is as long as the client wants it."""
    if kept := tuple(offered for offered in offers if offered.spec.context >= call.context):
        return kept
    most = max(offered.spec.context for offered in offers)
    message = f"num_ctx {call.context} is above the {most} that {call.model} is loaded with"
    step = "Ask for less, or raise `context` in ~/.atos/models.yaml."
    raise BadRequestError(message, next_step=step)


def fitted(request: Request, offered: Offer, unset: frozenset[str] = frozenset()) -> Request:
    """Bind a request to a model: its name, its own options, longest reply, and roles."""
    frozen: dict[str, Any] = {
        field: offered.spec.options[option]
        for option, field in FROZEN.items()
        if option in unset and option in offered.spec.options
    }
    request = replace(request, **frozen)
    most = offered.spec.context
    limit = min(request.max_tokens, most) if request.max_tokens > 0 else most
    messages = request.messages
    if not offered.entry.system:
        messages = without_system(messages)
    return replace(request, model=offered.name, max_tokens=limit, messages=messages)


def without_system(messages: tuple[dict[str, object], ...]) -> tuple[dict[str, object], ...]:
    """Put the text of system messages in front of the first user message."""
    system = [str(m["content"]) for m in messages if m["role"] == "system"]
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if not system:
        return messages
    first = next((m for m in rest if m["role"] == "user"), None)
    if first is None:
        return ({"role": "user", "content": "\n\n".join(system)}, *rest)
    first["content"] = "\n\n".join([*system, str(first["content"])])
    return tuple(rest)
