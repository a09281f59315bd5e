"""The shell around the core: turns its effects into engine calls, and what comes of them into events.

`post` handles one event and applies its effects before it returns; since the core never waits, no
queue and no lock stand in between. What takes time (loads, evictions) runs in the daemon's task
group and posts its outcome. A request holds a `Ticket` from its demand to its last byte.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from atos.scheduler.catalogue.contracts import Offer
from atos.scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos.scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    Loaded,
    LoadFailed,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos.scheduler.core.machine import Core
from atos.scheduler.core.types import Reason
from atos.scheduler.crashpoints import crashpoint, declare
from atos.scheduler.engines.protocol import LoadedModel
from atos.scheduler.errors import (
    AtosError,
    BusyError,
    EngineError,
    LoadFailedError,
    UnreachableError,
    from_wire,
)
from atos.scheduler.journal import Journal
from atos.scheduler.wire import Demand, Lease

logger = logging.getLogger(__name__)

CRASH_POINTS = [
    declare("scheduler.load.before"),
    declare("scheduler.load.after"),
    declare("scheduler.granted"),
]
"""Before an engine is told to load, when it has loaded, and when a request has its lease."""
LOAD_SECONDS = 600.0
"""Longest load that is waited for; 20 GB from a slow disk take 5 minutes."""
UNLOAD_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""Pause before an engine that did not confirm an eviction is asked again."""
LOOK_SECONDS = 5.0
MOST_REQUESTS = 2000
"""Requests at once; each costs a connection and a few kB."""


def _reason(error: AtosError) -> Reason:
    return Reason(error.code, error.message, error.next_step)


def _error(reason: Reason) -> AtosError:
    wire = {"code": reason.code, "message": reason.message, "next": reason.next_step}
    return from_wire(wire)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a request got: the model that answers it, and how long it waited."""

    offer: Offer
    waited: float


class Ticket:
    """A request's place: waiting, then holding a slot, until `release`."""

    def __init__(self, dispatcher: Dispatcher, asked: Lease) -> None:
        self.lease = asked.id
        self.scope = anyio.CancelScope()
        """Work on the model runs in here; it is cancelled if the model is lost."""
        self.revoked: AtosError | None = None
        self._dispatcher = dispatcher
        self._asked = asked
        self._since = anyio.current_time()
        self._settled = anyio.Event()
        self._outcome: Granted | AtosError | None = None

    async def granted(self) -> Granted:
        """Wait for the grant.

        Raises:
            AtosError: the demand was refused; the class says why.
        """
        await self._settled.wait()
        if isinstance(self._outcome, AtosError):
            raise self._outcome
        if self._outcome is None:  # pragma: no cover - `settle` always sets one
            message = f"lease {self.lease} was settled without an outcome"
            raise EngineError(message)
        return self._outcome

    def settle(self, outcome: Granted | AtosError) -> None:
        """Tell the waiting request what became of its demand."""
        self._outcome = outcome
        self._since = anyio.current_time()
        self._settled.set()

    def seen(self) -> Lease:
        """Return how this request stands, as others see it."""
        seconds = anyio.current_time() - self._since
        if isinstance(self._outcome, Granted):
            return replace(
                self._asked, state="held", model=self._outcome.offer.name, seconds=seconds
            )
        return replace(self._asked, seconds=seconds)

    def revoke(self, error: AtosError) -> None:
        """Stop the work: the model is gone."""
        self.revoked = error
        self.scope.cancel()

    def release(self) -> None:
        """Give the slot, or the place in the queue, back; only the first call counts."""
        self._dispatcher.release(self.lease)


class Dispatcher:
    """Applies the core's effects within one task group."""

    def __init__(self, core: Core, journal: Journal, group: TaskGroup) -> None:
        self.core = core
        self.journal = journal
        self.loaded: dict[str, LoadedModel] = {}
        """What the engines said of the models they hold for us."""
        self._group = group
        self._offers: dict[str, Offer] = {}
        self._tickets: dict[str, Ticket] = {}
        self._adopted: set[str] = set()
        """Models in memory in a shape that somebody else chose, until they are first used."""
        self._unloads: dict[str, anyio.Event] = {}
        self._numbers = count(1)
        self._timer_at: float | None = None
        self._nap = anyio.CancelScope()
        self._changed = anyio.Event()
        self._closing: AtosError | None = None

    @property
    def busy(self) -> bool:
        """Whether any request waits or is being answered."""
        return bool(self._tickets)

    def engine_of(self, model: str) -> str:
        """Return the name of the engine that holds, or shall hold, a model."""
        offered = self._offers.get(model)
        return offered.engine.name if offered else ""

    def leases(self) -> tuple[Lease, ...]:
        """Return everything that waits or is being answered, in the order of its arrival."""
        return tuple(ticket.seen() for ticket in self._tickets.values())

    def request(self, offers: Sequence[Offer], pool: str, demand: Demand, seconds: float) -> Ticket:
        """Ask for a lease on one of the offered models, wanted within `seconds`.

        Raises:
            UnreachableError: the daemon is ending.
            BusyError: too many requests wait.
        """
        if self._closing is not None:
            raise self._closing
        if len(self._tickets) >= MOST_REQUESTS:
            message = f"{MOST_REQUESTS} requests wait or are being answered already"
            raise BusyError(message, next_step="Wait for some of them to end.")
        lease = f"L{next(self._numbers)}"
        names = ",".join(offered.name for offered in offers)
        asked = Lease(lease, "waiting", names, pool, demand.goal, demand.task, 0.0)
        ticket = self._tickets[lease] = Ticket(self, asked)
        for offered in offers:
            if offered.name not in self.core.memory.residencies:
                self._offers[offered.name] = offered
        candidates = tuple(offered.candidate for offered in offers)
        self.post(Requested(lease, candidates, demand, pool, anyio.current_time() + seconds))
        return ticket

    def release(self, lease: str) -> None:
        """End a lease, or withdraw a demand."""
        if self._tickets.pop(lease, None) is not None:
            self.journal.add("lease_ended", lease=lease)
            self.post(Released(lease))

    def close(self) -> None:
        """Send everybody away who waits or is being answered, and take nobody in any more."""
        message = "the scheduler is ending"
        self._closing = UnreachableError(message, next_step="Try again: it is started anew.")
        for ticket in list(self._tickets.values()):
            ticket.settle(self._closing)
            ticket.revoke(self._closing)

    async def unload(self, model: str) -> bool:
        """Have a model evicted once its requests are over; return when its memory is back.

        Returns:
            False if it was not in memory.
        """
        if model not in self.core.memory.residencies:
            return False
        gone = self._unloads.setdefault(model, anyio.Event())
        self.post(UnloadAsked(model))
        await gone.wait()
        return True

    def adopt(self, offered: Offer, found: LoadedModel) -> None:
        """Charge a model that an engine held before anybody here asked for it."""
        self._offers[offered.name] = offered
        self._adopted.add(offered.name)
        self.loaded[offered.name] = found
        size = max(offered.candidate.bytes, found.bytes)
        self.post(Adopted(replace(offered.candidate, bytes=size)))

    async def prepare(self, offered: Offer) -> None:
        """Give an adopted model the frozen context and options before it is first used.

        Raises:
            AtosError: its engine could not do that.
        """
        if offered.name in self._adopted:
            self.loaded[offered.name] = await offered.engine.load(offered.spec)
            self._adopted.discard(offered.name)

    async def anything_resident(self) -> None:
        """Return once a model occupies memory."""
        while not self.core.memory.residencies:
            await self._changed.wait()

    async def look_after(self, model: str) -> bool:
        """Find out whether an engine still holds a model; if not, give its bytes back.

        Returns:
            Whether it was lost, now or a moment before.
        """
        offered = self._offers.get(model)
        found = self.core.memory.residencies.get(model)
        if offered is None or found is None or found.state != "resident":
            return True
        if not await self._is_gone(offered):
            return False
        if self.core.memory.residencies.get(model) is not found or found.state != "resident":
            return True  # it went, and perhaps came again, while the engine was asked
        message = f"{offered.engine.name} no longer holds {model}: its process ended"
        step = "Try again: it is loaded anew."
        self.post(EngineLost(model, Reason("engine", message, step)))
        return True

    async def look_after_all(self) -> None:
        """Do the same for every model that is resident."""
        for model in list(self.core.memory.residencies):
            await self.look_after(model)

    def post(self, event: Event) -> None:
        """Let the core handle an event, and apply what follows from it."""
        self._note(event)
        for effect in self.core.handle(event, anyio.current_time()):
            self._apply(effect)

    def _note(self, event: Event) -> None:
        """Record what an event tells the world outside the core."""
        match event:
            case Loaded(model, size):
                self.journal.add("model_loaded", model=model, bytes=size)
            case LoadFailed(model, reason):
                self.journal.add("load_failed", model=model, error=reason.message)
            case EngineLost(model, reason):
                self.journal.add("engine_lost", model=model, error=reason.message)
            case Evicted(model):
                self.journal.add("model_evicted", model=model)
            case _:
                return
        logger.info("%s %s", type(event).__name__, event.model)
        if not isinstance(event, Loaded):
            self.loaded.pop(event.model, None)
            self._adopted.discard(event.model)
            self._unloads.pop(event.model, anyio.Event()).set()

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Load(model):
                self._changed.set()
                self._changed = anyio.Event()
                self.journal.add("model_loading", model=model)
                self._group.start_soon(self._load, model)
            case Evict(model):
                self.journal.add("model_evicting", model=model)
                self._group.start_soon(self._evict, model)
            case Grant(lease, model, waited):
                self.journal.add("lease_granted", lease=lease, model=model, waited=waited)
                self._tickets[lease].settle(Granted(self._offers[model], waited))
                crashpoint("scheduler.granted")
            case Refuse(lease, reason):
                self.journal.add("demand_refused", lease=lease, error=reason.message)
                self._tickets.pop(lease).settle(_error(reason))
            case Revoke(lease, reason):
                self.journal.add("lease_revoked", lease=lease, error=reason.message)
                self._tickets.pop(lease).revoke(_error(reason))
            case SetTimer(at):
                self._timer_at = at
                self._nap.cancel()
            case _:
                assert_never(effect)

    async def _load(self, model: str) -> None:
        offered = self._offers[model]
        crashpoint("scheduler.load.before")
        try:
            with anyio.fail_after(LOAD_SECONDS):
                found = await offered.engine.load(offered.spec)
        except TimeoutError:
            message = f"{offered.engine.name} did not load {model} within {LOAD_SECONDS:.0f} s"
            error: AtosError = LoadFailedError(message)
        except AtosError as failure:
            error = failure
        except Exception as failure:  # an engine's bug must not end the daemon
            logger.exception("load of %s failed", model)
            message = f"{offered.engine.name} failed on {model}: {failure!r}"
            error = LoadFailedError(message, next_step="See logs/scheduler.log.")
        else:
            crashpoint("scheduler.load.after")
            self.loaded[model] = found
            self.post(Loaded(model, found.bytes if offered.engine.caps.reports_memory else 0))
            return
        logger.warning("load of %s failed: %s", model, error)
        self.post(LoadFailed(model, _reason(error)))

    async def _evict(self, model: str) -> None:
        """Unload a model, as often as it takes: its bytes stay charged until it is gone."""
        offered = self._offers[model]
        while True:
            try:
                with anyio.fail_after(UNLOAD_SECONDS):
                    await offered.engine.unload(model)
                break
            except Exception:  # whatever it was: only the engine's word frees bytes
                logger.exception("%s did not unload %s", offered.engine.name, model)
                if await self._is_gone(offered):
                    break
                await anyio.sleep(RETRY_SECONDS)
        self.post(Evicted(model))

    async def _is_gone(self, offered: Offer) -> bool:
        """Ask the engine; without an answer the model counts as being there."""
        try:
            with anyio.fail_after(LOOK_SECONDS):
                held = await offered.engine.loaded()
        except (AtosError, TimeoutError):
            return False
        return not {offered.name, offered.spec.source} & {found.name for found in held}

    async def keep_time(self) -> None:
        """Send the core its ticks; runs as long as the daemon."""
        while True:
            at = self._timer_at
            with anyio.CancelScope() as self._nap:
                await (anyio.sleep_forever() if at is None else anyio.sleep_until(at))
                self._timer_at = None
                self.post(Tick())
