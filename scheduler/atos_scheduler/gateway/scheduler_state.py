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
from atos_protocol.versions import RUNNING
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.dispatcher import Dispatcher
from atos_scheduler.event_log import EventLog
from atos_scheduler.plan_hints import PlanHints

GPU_ENGINE = (
    "Install one: curl -fsSL https://ollama.com/install.sh | sh"
    " (or name a llama-server that was built for it in ATOS_LLAMA_SERVER)"
)
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
    instance: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    version: str = RUNNING

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
        deployments = await self.catalogue.candidates(model)
        try:
            with anyio.fail_after(UNLOAD_SECONDS):
                for deployment in deployments:
                    await self.dispatcher.unload(deployment.name)
        except TimeoutError:
            message = f"{model} was not out of memory after {UNLOAD_SECONDS:.0f} s"
            step = "Its requests still run, or its engine does not answer: see the status."
            raise DeadlineError(message, next_step=step) from None
        return deployments[0].name
