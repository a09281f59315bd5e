"""The shell around the core: turns its effects into engine calls, and what comes of them into events.

`post` handles one event and applies its effects before it returns; since the core never waits, no
queue and no lock stand in between. What takes time (loads, evictions) runs in the daemon's task
group and posts its outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import AtosError, BusyError, UnreachableError, from_wire
from atos_protocol.scheduler_api import Demand, Lease
from atos_scheduler.catalogue.contracts import Offer
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
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
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import Reason
from atos_scheduler.engines.protocol import LoadedModel
from atos_scheduler.event_log import EventLog
from atos_scheduler.lease_request import Granted, LeaseRequest
from atos_scheduler.model_loader import ModelLoader

logger = logging.getLogger(__name__)

GRANT_POINTS = [declare("scheduler.granted")]
"""When a request has its lease and does not know it yet."""
MOST_REQUESTS = 2000
"""Requests at once; each costs a connection and a few kB."""


class Dispatcher:
    """Applies the core's effects within one task group."""

    def __init__(self, core: Core, event_log: EventLog, group: TaskGroup) -> None:
        self.core = core
        self.loader = ModelLoader()
        self._event_log = event_log
        self._group = group
        self._requests: dict[str, LeaseRequest] = {}
        self._unloads: dict[str, anyio.Event] = {}
        self._numbers = count(1)
        self._timer_at: float | None = None
        self._nap = anyio.CancelScope()
        self._changed = anyio.Event()
        self._closing: AtosError | None = None

    @property
    def busy(self) -> bool:
        """Whether any request waits or is being answered."""
        return bool(self._requests)

    def leases(self) -> tuple[Lease, ...]:
        """Return everything that waits or is being answered, in the order of its arrival."""
        return tuple(ticket.seen() for ticket in self._requests.values())

    def request(
        self, offers: Sequence[Offer], pool: str, demand: Demand, seconds: float
    ) -> LeaseRequest:
        """Ask for a lease on one of the offered models, wanted within `seconds`.

        Raises:
            UnreachableError: the daemon is ending.
            BusyError: too many requests wait.
        """
        if self._closing is not None:
            raise self._closing
        if len(self._requests) >= MOST_REQUESTS:
            message = f"{MOST_REQUESTS} requests wait or are being answered already"
            raise BusyError(message, next_step="Wait for some of them to end.")
        lease = f"L{next(self._numbers)}"
        names = ",".join(offered.name for offered in offers)
        asked = Lease(lease, "waiting", names, pool, demand.goal, demand.task, 0.0)
        ticket = self._requests[lease] = LeaseRequest(asked, self.release)
        for offered in offers:
            if offered.name not in self.core.memory.residencies:
                self.loader.take(offered)
        candidates = tuple(offered.candidate for offered in offers)
        self.post(Requested(lease, candidates, demand, pool, anyio.current_time() + seconds))
        return ticket

    def release(self, lease: str) -> None:
        """End a lease, or withdraw a demand."""
        if self._requests.pop(lease, None) is not None:
            self._event_log.add("lease_ended", lease=lease)
            self.post(Released(lease))

    def close(self) -> None:
        """Send everybody away who waits or is being answered, and take nobody in any more."""
        message = "the scheduler is ending"
        self._closing = UnreachableError(message, next_step="Try again: it is started anew.")
        for ticket in list(self._requests.values()):
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
        self.loader.adopt(offered, found)
        size = max(offered.candidate.bytes, found.bytes)
        self.post(Adopted(replace(offered.candidate, bytes=size)))

    async def anything_resident(self) -> None:
        """Return once a model occupies memory."""
        while not self.core.memory.residencies:
            await self._changed.wait()

    async def look_after(self, model: str) -> bool:
        """Find out whether an engine still holds a model; if not, give its bytes back.

        Returns:
            Whether it was lost, now or a moment before.
        """
        found = self.core.memory.residencies.get(model)
        if found is None or found.state != "resident":
            return True
        if not await self.loader.is_gone(model):
            return False
        if self.core.memory.residencies.get(model) is not found or found.state != "resident":
            return True  # it went, and perhaps came again, while the engine was asked
        message = (
            f"{self.loader.offer(model).engine.name} no longer holds {model}: its process ended"
        )
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
                self._event_log.add("model_loaded", model=model, bytes=size)
            case LoadFailed(model, reason):
                self._event_log.add("load_failed", model=model, reason=reason.message)
            case EngineLost(model, reason):
                self._event_log.add("engine_lost", model=model, reason=reason.message)
            case Evicted(model):
                self._event_log.add("model_evicted", model=model)
            case _:
                return
        logger.info("%s %s", type(event).__name__, event.model)
        if not isinstance(event, Loaded):
            self.loader.forget(event.model)
            self._unloads.pop(event.model, anyio.Event()).set()

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Load(model):
                self._changed.set()
                self._changed = anyio.Event()
                self._event_log.add("model_loading", model=model)
                self._group.start_soon(self._load, model)
            case Evict(model):
                self._event_log.add("model_evicting", model=model)
                self._group.start_soon(self._evict, model)
            case Grant(lease, model, waited):
                self._event_log.add("lease_granted", lease=lease, model=model, waited=waited)
                self._requests[lease].settle(Granted(self.loader.offer(model), waited))
                crashpoint("scheduler.granted")
            case Refuse(lease, reason):
                self._event_log.add("demand_refused", lease=lease, reason=reason.message)
                self._requests.pop(lease).settle(_error(reason))
            case Revoke(lease, reason):
                self._event_log.add("lease_revoked", lease=lease, reason=reason.message)
                self._requests.pop(lease).revoke(_error(reason))
            case SetTimer(at):
                self._timer_at = at
                self._nap.cancel()
            case _:
                assert_never(effect)

    async def _load(self, model: str) -> None:
        self.post(await self.loader.load(model))

    async def _evict(self, model: str) -> None:
        self.post(await self.loader.unload(model))

    async def keep_time(self) -> None:
        """Send the core its ticks; runs as long as the daemon."""
        while True:
            at = self._timer_at
            with anyio.CancelScope() as self._nap:
                await (anyio.sleep_forever() if at is None else anyio.sleep_until(at))
                self._timer_at = None
                self.post(Tick())


def _error(reason: Reason) -> AtosError:
    wire = {"code": reason.code, "message": reason.message, "next": reason.next_step}
    return from_wire(wire)
