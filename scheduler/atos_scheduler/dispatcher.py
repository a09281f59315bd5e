"""The shell around the core: turns its effects into engine calls, and their results into events.

`post` handles one event and applies its effects before it returns; since the core never waits, no
queue and no lock are needed. Loads and evictions take time: they run in the daemon's task group
and post their outcome.
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
from atos_scheduler.catalogue.contracts import Deployment
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    Loaded,
    LoadFailed,
    Measured,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import HOST, Reason
from atos_scheduler.engines.protocol import LoadedModel
from atos_scheduler.event_log import EventLog
from atos_scheduler.lease_request import Granted, LeaseRequest
from atos_scheduler.model_loader import ModelLoader

logger = logging.getLogger(__name__)

GRANT_POINTS = [declare("scheduler.granted")]
"""When a lease is granted and its request does not know it yet."""
MOST_REQUESTS = 2000
"""Requests at once; each costs a connection and a few kB."""


class Dispatcher:
    """Applies the core's effects within one task group."""

    def __init__(
        self, core: Core, event_log: EventLog, group: TaskGroup, most_requests: int = MOST_REQUESTS
    ) -> None:
        self.core = core
        self.loader = ModelLoader()
        self._event_log = event_log
        self._group = group
        self._most_requests = most_requests
        self._requests: dict[str, LeaseRequest] = {}
        self._unloads: dict[str, anyio.Event] = {}
        self._lease_numbers = count(1)
        self._timer_at: float | None = None
        self._timer_scope = anyio.CancelScope()
        self._changed = anyio.Event()
        self._closing: AtosError | None = None

    async def is_busy(self) -> bool:
        """Tell whether any request waits or is being answered."""
        return bool(self._requests)

    def leases(self) -> tuple[Lease, ...]:
        """Return everything that waits or is being answered, in the order of its arrival."""
        return tuple(request.snapshot() for request in self._requests.values())

    def request(
        self, deployments: Sequence[Deployment], pool: str, demand: Demand, seconds: float
    ) -> LeaseRequest:
        """Ask for a lease on one of these models, to be granted within `seconds`.

        Raises:
            UnreachableError: the daemon is ending.
            BusyError: too many requests wait.
        """
        if self._closing is not None:
            raise self._closing
        if len(self._requests) >= self._most_requests:
            message = f"{self._most_requests} requests wait or are being answered already"
            raise BusyError(message, next_step="Wait for some of them to end.")
        lease = f"L{next(self._lease_numbers)}"
        names = ",".join(deployment.name for deployment in deployments)
        task = demand.goal, demand.task
        waiting = Lease(lease, "waiting", names, pool, *task, 0.0, demand.client)
        request = self._requests[lease] = LeaseRequest(waiting, self.release)
        for deployment in deployments:
            if deployment.name not in self.core.memory.residencies:
                self.loader.register(deployment)
        candidates = tuple(deployment.candidate for deployment in deployments)
        self.post(Requested(lease, candidates, demand, pool, anyio.current_time() + seconds))
        return request

    def release(self, lease: str) -> None:
        """End a lease, or withdraw a demand."""
        if self._requests.pop(lease, None) is not None:
            self._event_log.add("lease_ended", lease=lease)
            self.post(Released(lease))

    def close(self) -> None:
        """Refuse every request that waits, stop those being answered, and accept no more."""
        message = "the scheduler is ending"
        self._closing = UnreachableError(message, next_step="Try again: a new one is started.")
        for request in list(self._requests.values()):
            request.settle(self._closing)
            request.revoke(self._closing)

    async def unload(self, model: str) -> bool:
        """Evict a model once its requests are over; return when its memory is free.

        Returns:
            False if it was not in memory.
        """
        if model not in self.core.memory.residencies:
            return False
        gone = self._unloads.setdefault(model, anyio.Event())
        self.post(UnloadAsked(model))
        await gone.wait()
        return True

    def adopt(self, deployment: Deployment, found: LoadedModel) -> None:
        """Charge a model that an engine held before anybody here asked for it."""
        self.loader.adopt(deployment, found)
        size = max(deployment.candidate.bytes, found.bytes)
        host = found.bytes - found.vram if found.vram else 0
        self.post(Adopted(replace(deployment.candidate, bytes=size - host, host=host)))

    async def wait_for_residency(self) -> None:
        """Return once a model occupies memory."""
        while not self.core.memory.residencies:
            await self._changed.wait()

    async def check_residency(self, model: str) -> bool:
        """Ask whether an engine still holds a model; if not, free its bytes.

        Returns:
            Whether the model is lost, found now or earlier.
        """
        found = self.core.memory.residencies.get(model)
        if found is None or found.state != "resident":
            return True
        if not await self.loader.is_gone(model):
            return False
        if self.core.memory.residencies.get(model) is not found or found.state != "resident":
            return True  # it was evicted, and perhaps loaded again, while the engine was asked
        engine = self.loader.deployment(model).engine.name
        message = f"{engine} no longer holds {model}: its process ended"
        self.post(EngineLost(model, Reason("engine", message, "Try again: it is loaded again.")))
        return True

    async def check_all_residencies(self) -> None:
        """Probe the engines, ask the same for every resident model, and charge what they have grown to."""
        resident = [r.model for r in self.core.memory.residencies.values() if r.state == "resident"]
        await self.loader.probe(resident)
        for model in resident:
            if not await self.check_residency(model):
                self._charge_growth(model)

    def _charge_growth(self, model: str) -> None:
        charged, found = self.core.memory.residencies.get(model), self.loader.measured(model)
        if charged is not None and found is not None and found.bytes > charged.bytes:
            self._event_log.add("model_grew", model=model, bytes=found.bytes)
            host = found.bytes - found.vram if found.vram else 0
            self.post(Measured(model, found.bytes, host))

    def occupied(self, device: str) -> int:
        """Return the bytes that the residents use up on a device, as last measured, else as charged.

        Pages of files are left out of the machine's memory: the system counts them as available.
        """
        total = 0
        for found in self.core.memory.residencies.values():
            seen = self.loader.measured(found.model)
            if seen is None or device not in found.charges:
                total += found.charges.get(device, 0)
            elif device == HOST:
                total += seen.bytes - seen.vram - seen.mapped
            else:
                total += seen.vram or seen.bytes
        return total

    def post(self, event: Event) -> None:
        """Let the core handle an event, and apply its effects."""
        self._log(event)
        for effect in self.core.handle(event, anyio.current_time()):
            self._apply(effect)

    def _log(self, event: Event) -> None:
        """Report an event to those who follow the event log, and end what waits for it."""
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
            case Load(model, slots):
                self._changed.set()
                self._changed = anyio.Event()
                self._event_log.add("model_loading", model=model)
                self._group.start_soon(self._load, model, slots)
            case Evict(model):
                self._event_log.add("model_evicting", model=model)
                self._group.start_soon(self._evict, model)
            case Grant(lease, model, waited):
                self._event_log.add("lease_granted", lease=lease, model=model, waited=waited)
                self._requests[lease].settle(self._granted(model, waited))
                crashpoint("scheduler.granted")
            case Refuse(lease, reason):
                self._event_log.add("demand_refused", lease=lease, reason=reason.message)
                self._requests.pop(lease).settle(_error(reason))
            case Revoke(lease, reason):
                self._event_log.add("lease_revoked", lease=lease, reason=reason.message)
                self._requests.pop(lease).revoke(_error(reason))
            case SetTimer(at):
                self._timer_at = at
                self._timer_scope.cancel()
            case _:
                assert_never(effect)

    def _granted(self, model: str, waited: float) -> Granted:
        """Return a grant: with why the model was loaded, where the request waited for that."""
        loading, choice = self.loader.loading(model, waited), self.core.loads.get(model)
        told = (choice.why, choice.victims) if loading and choice else ("", ())
        return Granted(self.loader.deployment(model), waited, loading, *told)

    async def _load(self, model: str, slots: int) -> None:
        self.post(await self.loader.load(model, slots))

    async def _evict(self, model: str) -> None:
        self.post(await self.loader.unload(model))

    async def run_timer(self) -> None:
        """Post the ticks that the core asks for; runs as long as the daemon."""
        while True:
            at = self._timer_at
            with anyio.CancelScope() as self._timer_scope:
                await (anyio.sleep_forever() if at is None else anyio.sleep_until(at))
                self._timer_at = None
                self.post(Tick())


def _error(reason: Reason) -> AtosError:
    wire = {"code": reason.code, "message": reason.message, "next": reason.next_step}
    return from_wire(wire | ({"retry": True} if reason.retry else {}))
