"""The durable steps and events of one goal or task: `Steps` and `Emit` over the runtime.

Around the work of every step are two crash points, before it and after it. The second one is after the
effect and before the record: a step that is killed there runs again, which is what its keys are for.

    paused (`pause_gate`) -> waits; what had begun is begun again
    work --ok------------------------------> its events are on disk -> recorded
      |--verdict or defect (`step_errors`)-> its events are on disk -> recorded, raised again by every replay
      |--transient--> `waiting` event -> pause -> work    until it works, or patience has ended (a defect)

Telling an event never waits; the step does, once, at its end.

Only what is recorded counts: a step that waits is repeated from its start when the worker dies.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import event_key
from atos_orchestrator.execution.pause_gate import PauseGate
from atos_orchestrator.execution.step_errors import as_atos_error, class_of, patience
from atos_orchestrator.ports import Emit, Json
from atos_protocol.errors import AtosError

log = logging.getLogger(__name__)

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before the next try of a step that failed for a transient reason; the last one repeats."""
TOLD_FROM = 2.0
"""A pause this long is told by an event; a daemon that was killed is up again sooner."""

Waits = Callable[[AtosError, float, float], None]
"""Told an error, since when the step waits (epoch seconds), and the seconds to the next try."""


@dataclass(frozen=True, slots=True)
class DurableSteps:
    """Implements `ports.Steps` within the current run."""

    runtime: DbosRuntime
    kind: str
    """`goal`, `task` or `plan`: the first part of the names of the crash points."""
    emit: Emit
    written: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
    """Waits until what was emitted is on disk."""
    gate: PauseGate = field(default_factory=PauseGate)
    """Where the work waits while its goal is paused."""
    goal: str = ""
    """Whose work it is; a plan without a goal can't be paused."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run one step; trouble of the machine is waited out."""
        where = f"{self.kind}.{name.partition('.')[0]}"

        def tell(error: AtosError, since: float, pause: float) -> None:
            data = {"for": error.message, "code": error.code, "since": since, "pause": pause}
            self.emit("waiting", data, key=f"{name}:{pause:.0f}")

        async def body() -> Json:
            point(f"{where}.before")
            try:
                result = await self.gate.through(self.goal, lambda: until_done(name, work, tell))
            except AtosError:
                await self.written()
                raise
            await self.written()
            point(f"{where}.after")
            return result

        return await self.runtime.step(name, body)


async def until_done(name: str, work: Callable[[], Awaitable[Json]], tell: Waits) -> Json:
    """Do the work; every failure is raised as an `AtosError`, a transient one after hours of trying.

    Patience begins with the first failure: before it nothing was in the way, however long the work took.
    """
    failing_since, since, tries = 0.0, 0.0, 0
    while True:
        try:
            return await work()
        except Exception as raised:
            error = as_atos_error(raised, name)
            if not tries:
                failing_since, since = anyio.current_time(), time.time()
            if anyio.current_time() - failing_since >= patience(error):
                if error is not raised:
                    log.exception("step %s failed", name)
                raise error from raised
        pause = PAUSES[min(tries, len(PAUSES) - 1)]
        log.info("step %s waits: %s; again in %.1f s", name, error, pause)
        if pause >= TOLD_FROM and tries < len(PAUSES):
            _told(tell, error, since, pause)
        tries += 1
        # Goals that wait for the same thing should not ask for it at the same moment.
        await anyio.sleep(pause * random.uniform(0.75, 1.25))


def _told(tell: Waits, error: AtosError, since: float, pause: float) -> None:
    """Say that the step waits; where it waits for the database, that can't be said."""
    try:
        tell(error, since, pause)
    except Exception as trouble:
        if class_of(as_atos_error(trouble, "").code) != "transient":
            raise


@dataclass(frozen=True, slots=True)
class DurableEmit:
    """Implements `ports.Emit` for one goal, or one of its tasks."""

    events: EventStore
    goal: str
    task: str | None = None
    revision: int = 1
    """Run of the goal that appends: each has keys of its own."""

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append an event once per key of the goal or task, and revision."""
        whole = event_key(self.revision, self.task, kind, key)
        self.events.append_soon(self.goal, kind, data, key=whole, task=self.task)

    async def written(self) -> None:
        """Wait until the goal's events are on disk.

        Raises:
            AtosError: they can't be written.
        """
        await self.events.written(self.goal)
