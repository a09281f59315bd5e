"""Plan hints: what goals are about to need, published to the scheduler as a fold of their events.

A goal's hint is published when it changes, and all of them every 10 s while there are any, because the
scheduler forgets them. Nothing depends on them: a failure is logged and the next turn tries again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.durable_json import decode
from atos_orchestrator.events import GoalFold
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


@dataclass(frozen=True, slots=True)
class HintFold:
    """What a hint needs of a goal's events so far."""

    folded: GoalFold = field(default_factory=GoalFold)
    plan: Plan | None = None
    """None before there is one, and where it is not understood."""
    strategy: str = ""

    def plus(self, events: Sequence[Event]) -> HintFold:
        """Return the fold with more events, in order."""
        fresh = [event for event in events if event.seq > self.folded.view.seq]
        plan, strategy = self.plan, self.strategy
        for event in fresh:
            if event.kind == "goal_submitted":
                strategy = str(event.data.get("strategy"))
            elif event.kind == "plan_ready":
                plan = _plan(event)
        return HintFold(self.folded.plus(fresh), plan, strategy)

    def hint(self) -> PlanHint | None:
        """Return the hint that these events call for; None before there is a plan."""
        if self.plan is None:
            return None
        view = self.folded.view
        states = {task.id: task.state for task in view.tasks}
        strategy = STRATEGIES.get(self.strategy)
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
            for task in self.plan.tasks
        )
        return PlanHint(revision=view.seq, ttl=TTL_SECONDS, tasks=tasks)


def hint_of(events: Sequence[Event]) -> PlanHint | None:
    """Return the hint that a goal's events call for; None before it has a plan."""
    return HintFold().plus(events).hint()


def _plan(event: Event) -> Plan | None:
    try:
        return decode(Plan, event.data)
    except ValueError:
        return None


class HintPublisher:
    """Publishes the hints of every unfinished goal that is not paused, to a scheduler that is up; it starts none.

    What a goal's events told so far is kept while it is unfinished: a change costs the reading of what is new of
    the goal that changed.
    """

    def __init__(self, events: EventStore, scheduler: SchedulerClient) -> None:
        self._events = events
        self._scheduler = scheduler
        self._changed = anyio.Event()
        self._changes: set[str] = set()
        self._folds: dict[str, HintFold] = {}
        self._known: set[str] = set()

    def note_change(self, goal: str) -> None:
        """Publish soon, because this goal has changed."""
        self._changes.add(goal)
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        due = anyio.current_time()
        while True:
            with anyio.move_on_after(due - anyio.current_time()):
                await self._changed.wait()
                await anyio.sleep(QUIET_SECONDS)
            self._changed = anyio.Event()
            changes, self._changes = self._changes, set()
            all_are_due = anyio.current_time() >= due
            at_work = await self._publish(None if all_are_due else changes)
            if not at_work:
                due = math.inf  # until a goal changes
            elif all_are_due or due == math.inf:
                due = anyio.current_time() + EVERY_SECONDS

    async def publish(self) -> None:
        """Publish every unfinished goal's hint once, and withdraw those of finished goals."""
        await self._publish(None)

    async def _publish(self, changes: Collection[str] | None) -> bool:
        """Publish the hints of the goals that changed (None: of all); return whether any is published or should be."""
        unfinished = set(await anyio.to_thread.run_sync(self._events.unfinished))
        unfinished -= await anyio.to_thread.run_sync(self._events.paused)
        self._folds = {goal: each for goal, each in self._folds.items() if goal in unfinished}
        wanted = sorted(unfinished if changes is None else unfinished.intersection(changes))
        await self._read(wanted)
        try:
            for goal in self._known - unfinished:
                await self._scheduler.drop_plan(goal)
                self._known.discard(goal)
            for goal in wanted:
                if (hint := self._folds[goal].hint()) is not None:
                    await self._scheduler.publish_plan(goal, hint)
                    self._known.add(goal)
        except AtosError as error:
            log.info("plan hints were not published: %s", error)
        return bool(unfinished or self._known)

    async def _read(self, goals: Sequence[str]) -> None:
        """Read what is new of these goals."""
        known = {goal: self._folds.get(goal, HintFold()) for goal in goals}
        after = {goal: known[goal].folded.view.seq + 1 for goal in goals}
        found = await anyio.to_thread.run_sync(self._events.read_from, after)
        self._folds |= {goal: known[goal].plus(found[goal]) for goal in goals}
