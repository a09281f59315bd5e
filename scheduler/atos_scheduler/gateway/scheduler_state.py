"""One running scheduler as the routes see it: its parts, its status, loading and unloading."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from atos_protocol import scheduler_api
from atos_protocol.errors import DeadlineError
from atos_protocol.scheduler_api import PlanHint
from atos_protocol.versions import RUNNING
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.contracts import Deployment
from atos_scheduler.catalogue.entries import ModelEntry
from atos_scheduler.core.events import ForeignChanged, PlanPublished, UnloadAsked
from atos_scheduler.core.types import Candidate
from atos_scheduler.dispatcher import Dispatcher
from atos_scheduler.engines.protocol import InstalledModel, ModelSpec
from atos_scheduler.engines.reserved_memory import ReservedMemory
from atos_scheduler.event_log import EventLog
from atos_scheduler.gateway.client_ports import ClientPorts
from atos_scheduler.lease_request import LeaseRequest
from atos_scheduler.plan_hints import PlanHints
from atos_scheduler.plan_steps import planned_steps

GPU_ENGINE = (
    "Install one: curl -fsSL https://ollama.com/install.sh | sh"
    " (or name a llama-server that was built for it in ATOS_LLAMA_SERVER)"
)
RESERVED = "reserved:"
"""How the names of leases of plain memory begin."""
UNLOAD_SECONDS = 120.0
"""Longest wait for a model's requests to end and its memory to come back."""


@dataclass(slots=True)
class SchedulerState:
    """The parts of one running scheduler."""

    catalogue: Catalogue
    dispatcher: Dispatcher
    event_log: EventLog
    plans: PlanHints
    group: TaskGroup
    """Engine calls run here, since it outlives every connection."""
    devices: dict[str, scheduler_api.Device]
    """The devices as last read, by name; the dispatcher knows what is committed on them."""
    ports: ClientPorts
    reserved: ReservedMemory = field(default_factory=ReservedMemory)
    paused: bool = False
    """Whether no model may be in memory, because a person said so."""
    allowed: dict[str, int] = field(default_factory=dict[str, int])
    """The budgets that hold when nothing is paused, in bytes by device."""
    instance: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    version: str = RUNNING

    async def is_busy(self) -> bool:
        """Tell whether the daemon must stay: for requests, for clients with a port, or for a pause."""
        return self.paused or await self.dispatcher.is_busy() or await self.ports.any_on()

    async def publish_plan(self, goal: str, hint: PlanHint) -> None:
        """Keep a goal's plan, and tell the core what the goal will still ask for.

        Raises:
            ConflictError: a newer revision is known.
            BusyError: plans of too many goals are kept.
        """
        self.plans.put(goal, hint)
        steps = await planned_steps(hint, self.catalogue)
        until = anyio.current_time() + hint.ttl
        self.dispatcher.post(PlanPublished(goal, steps, until))

    def drop_plan(self, goal: str) -> None:
        """Forget a goal's plan; nothing happens if there is none."""
        self.plans.drop(goal)
        self.dispatcher.post(PlanPublished(goal, (), anyio.current_time()))

    def allow(self, device: str, budget: int) -> None:
        """Take over a device's budget in bytes; while models are paused it is only remembered."""
        self.allowed[device] = budget
        wanted = 0 if self.paused else budget
        if wanted != self.dispatcher.core.memory.budgets[device]:
            self.dispatcher.post(ForeignChanged(wanted, device))

    async def pause(self) -> list[str]:
        """Let no model be in memory from now on; return those that left it. Demands wait meanwhile.

        Raises:
            DeadlineError: running replies did not end in time; the pause stands all the same.
        """
        if not self.paused:
            self.paused, self.allowed = True, dict(self.dispatcher.core.memory.budgets)
            for device in self.allowed:
                self.dispatcher.post(ForeignChanged(0, device))
        held = [n for n in self.dispatcher.core.memory.residencies if not n.startswith(RESERVED)]
        for model in held:
            await self.unload(model)
        return held

    def resume(self) -> bool:
        """Go on after a pause; False if there was none."""
        was, self.paused = self.paused, False
        for device, budget in list(self.allowed.items()):
            self.allow(device, budget)
        return was

    def lease(
        self, name: str, size: int, demand: scheduler_api.Demand, seconds: float
    ) -> LeaseRequest:
        """Ask for bytes that are no model's, to be granted within `seconds`.

        Raises:
            AtosError: the daemon is ending, or too many requests wait.
        """
        unique = f"{RESERVED}{name}:{uuid4().hex[:8]}"
        spec = ModelSpec(unique, unique, context=0, slots=1)
        installed = InstalledModel(unique, size)
        candidate = Candidate(unique, size, 1)
        deployment = Deployment(self.reserved, installed, ModelEntry(), spec, candidate)
        return self.dispatcher.request([deployment], "", demand, seconds)

    def end_lease(self, request: LeaseRequest) -> None:
        """Give reserved bytes back."""
        model = request.snapshot().model
        request.release()
        if model in self.dispatcher.core.memory.residencies:
            self.dispatcher.post(UnloadAsked(model))

    def status(self) -> scheduler_api.Status:
        """Return the present state; it asks no engine, so it is cheap."""
        return scheduler_api.Status(
            version=self.version,
            pid=os.getpid(),
            instance=self.instance,
            uptime=time.monotonic() - self.started,
            devices=self._devices(),
            residencies=self._residencies(),
            leases=self.dispatcher.leases(),
            pools=self.catalogue.pools(),
            engines=self.catalogue.statuses,
            plans=self.plans.goals(),
            notice=self._notice(),
            paused=self.paused,
        )

    def _devices(self) -> tuple[scheduler_api.Device, ...]:
        memory = self.dispatcher.core.memory
        return tuple(
            replace(read, budget=memory.budgets[name], committed=memory.committed_on(name))
            for name, read in self.devices.items()
        )

    def _notice(self) -> str:
        if not self.catalogue.unused_gpu():
            return ""
        name = next(iter(self.devices))
        return f"{name} is not used: no engine here can run models on it. {GPU_ENGINE}"

    def _residencies(self) -> tuple[scheduler_api.Residency, ...]:
        return tuple(
            scheduler_api.Residency(
                model=found.model,
                engine=self.dispatcher.loader.deployment(found.model).engine.name,
                device=next(iter(found.charges)),
                state=found.state,
                bytes=found.bytes,
                measured=found.measured,
                slots=found.slots,
                leases=len(found.leases),
            )
            for found in self.dispatcher.core.memory.residencies.values()
        )

    async def load(self, model: str, demand: scheduler_api.Demand, seconds: float) -> str:
        """Make a model, or one of a pool's, resident; return its name.

        Raises:
            AtosError: it can't be loaded; the class says why.
        """
        deployments = await self.catalogue.candidates(model)
        pool = self.catalogue.contract(model)
        request = self.dispatcher.request(deployments, pool.name if pool else "", demand, seconds)
        try:
            return (await request.granted()).deployment.name
        finally:
            request.release()

    async def unload(self, model: str) -> str:
        """Evict a model, or all resident ones of a pool; return when their memory is free.

        Raises:
            NoModelError: there is no such model.
            DeadlineError: its requests did not end, or the engine did not confirm.
        """
        if model in self.dispatcher.core.memory.residencies:
            names = [model]
        else:
            names = [found.name for found in await self.catalogue.candidates(model)]
        try:
            with anyio.fail_after(UNLOAD_SECONDS):
                for name in names:
                    await self.dispatcher.unload(name)
        except TimeoutError:
            message = f"{model} was not out of memory after {UNLOAD_SECONDS:.0f} s"
            step = "Its requests still run, or its engine does not answer: see the status."
            raise DeadlineError(message, next_step=step) from None
        return names[0]
