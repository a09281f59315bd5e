"""Plan hints: what goals are about to need, published to the scheduler as a fold of their events.

Hints are published whenever a goal changes, and every 10 s, because the scheduler forgets them. Nothing
depends on them: a failure is logged and the next turn tries again. The scheduler stores them and does
not use them yet; its issue on anticipation is the first reader, which is why this module stays.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
import anyio.to_thread

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.durable_json import decode
from atos_orchestrator.events import fold
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.plan import Plan
from atos_orchestrator.strategies.registry import STRATEGIES
from atos_protocol.errors import AtosError
from atos_protocol.goals import FINAL_TASK_STATES, Event
from atos_protocol.scheduler_api import PlanHint, PlannedTask

EVERY_SECONDS = 10.0
TTL_SECONDS = 25.0
QUIET_SECONDS = 0.25
"""Changes within this time are published together."""

CALLS = 3
TOKENS = 2000
OFF_GPU_SECONDS = 3.0
"""What a task is expected to need before anything is known of it."""

log = logging.getLogger(__name__)


def hint_of(events: Sequence[Event]) -> PlanHint | None:
    """Return the hint that a goal's events call for; None before it has a plan."""
    plan = _plan(events)
    if plan is None or not events:
        return None
    view = fold(events)
    states = {task.id: task.state for task in view.tasks}
    strategy = STRATEGIES.get(str(events[0].data.get("strategy")))
    tasks = tuple(
        PlannedTask(
            id=task.id,
            depends_on=task.depends_on,
            state=states.get(task.id, "pending"),
            pool=strategy.sampling(task, ())[0].pool if strategy else task.complexity,
            calls=0 if states.get(task.id) in FINAL_TASK_STATES else CALLS,
            tokens=0 if states.get(task.id) in FINAL_TASK_STATES else TOKENS,
            off_gpu=0.0 if states.get(task.id) in FINAL_TASK_STATES else OFF_GPU_SECONDS,
        )
        for task in plan.tasks
    )
    return PlanHint(revision=view.seq, ttl=TTL_SECONDS, tasks=tasks)


def _plan(events: Sequence[Event]) -> Plan | None:
    for event in reversed(events):
        if event.kind == "plan_ready":
            try:
                return decode(Plan, event.data)
            except ValueError:
                return None
    return None


class HintPublisher:
    """Publishes the hints of every unfinished goal, to a scheduler that is up; it starts none."""

    def __init__(self, events: EventStore, scheduler: SchedulerClient) -> None:
        self._events = events
        self._scheduler = scheduler
        self._changed = anyio.Event()
        self._known: set[str] = set()

    def note_change(self) -> None:
        """Publish soon, because some goal has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            with anyio.move_on_after(EVERY_SECONDS):
                await self._changed.wait()
                await anyio.sleep(QUIET_SECONDS)
            self._changed = anyio.Event()
            await self.publish()

    async def publish(self) -> None:
        """Publish every unfinished goal's hint once, and withdraw those of finished goals."""
        unfinished = await anyio.to_thread.run_sync(self._events.unfinished)
        try:
            for goal in self._known - set(unfinished):
                await self._scheduler.drop_plan(goal)
                self._known.discard(goal)
            for goal in unfinished:
                hint = hint_of(await anyio.to_thread.run_sync(self._events.read, goal))
                if hint is not None:
                    await self._scheduler.publish_plan(goal, hint)
                    self._known.add(goal)
        except AtosError as error:
            log.info("plan hints were not published: %s", error)
