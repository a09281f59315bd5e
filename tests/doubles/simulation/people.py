"""A person who starts a goal, and what they do with it and in its repository."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from atos_orchestrator.events import fold
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.goal_cancelling import GoalCancelling
from atos_orchestrator.execution.goal_input import GoalInput, Limits
from atos_orchestrator.execution.goal_pausing import GoalPausing
from atos_orchestrator.execution.goal_steering import GoalSteering
from atos_protocol.errors import AtosError, ConflictError
from atos_protocol.goals import FINAL_GOAL_STATES, Event
from doubles.simulation.library import changed
from doubles.simulation.machine import Machine, Process
from doubles.simulation.places import Places
from doubles.simulation.processes import Processes
from doubles.simulation.store import Acceptance, Events
from doubles.simulation.story import GoalStory


class Person:
    """The one of a goal."""

    def __init__(
        self, goal: GoalStory, here: Machine, processes: Processes, places: Places
    ) -> None:
        self._goal = goal
        self._here = here
        self._processes = processes
        self._places = places
        self._events = Events(here.tables)
        self._client = DbosClient(cast("Any", here.tables), retries=False)
        self._acceptance = Acceptance(here.tables, self._events, self._client)

    async def live(self, world: Process) -> None:
        """Start the goal, and do with it what its story says."""
        goal, here = self._goal, self._here
        await asyncio.sleep(goal.at)
        while goal.id not in here.tables.of_goal:
            await self._processes.in_host(self._submit)
        begun = [world.start(self._act(*act)) for act in goal.acts]
        if goal.pause_at:
            begun.append(world.start(self._pause()))
        if goal.cancel_at:
            begun.append(world.start(self._cancel()))
        await self._steer()
        await asyncio.gather(*begun)
        here.note(f"the person of {goal.id} is done")

    async def _submit(self) -> None:
        goal, here = self._goal, self._here
        await here.takes("submit")
        goal_input = GoalInput(
            goal.id,
            goal.id,
            goal.id,
            "general",
            here.wall(),
            limits=Limits(model_calls=goal.most_calls),
            priority=goal.priority,
        )
        data = {"goal": goal.id, "priority": goal.priority}
        self._acceptance.accept(goal_input, "goal_submitted", data, "submitted")
        here.note(f"{goal.id} is accepted, priority {goal.priority}")
        await self._processes.notify({"op": "wake"})

    async def _act(self, after: float, what: str) -> None:
        await asyncio.sleep(after)
        self._places.person(self._goal.id, what, self._here)

    async def _cancel(self) -> None:
        goal, here = self._goal.id, self._here
        await asyncio.sleep(self._goal.cancel_at)
        cancelling = GoalCancelling(self._client, self._events, self._processes.notify)

        async def cancel() -> None:
            view = fold(self._events.read(goal))
            if view.state not in FINAL_GOAL_STATES:
                here.note(f"{goal} is cancelled")
                await cancelling.cancel(view)

        while not await self._processes.in_host(cancel) and here.tables.away:
            await here.up.wait()

    async def _pause(self) -> None:
        """Pause the goal for a while, unless it has ended."""
        goal, here = self._goal, self._here
        await asyncio.sleep(goal.pause_at)
        pausing = GoalPausing(self._events, self._known, self._processes.notify)
        with suppress(ConflictError):
            await self._until_done(lambda: pausing.pause(goal.id))
            here.note(f"{goal.id} is paused")
            await asyncio.sleep(goal.pause_s)
            await self._until_done(lambda: pausing.resume(goal.id))
            here.note(f"{goal.id} is resumed")

    async def _until_done(self, call: Callable[[], Awaitable[Any]]) -> None:
        while not await self._processes.in_host(call):
            await self._here.up.wait()

    async def _steer(self) -> None:
        goal, tables = self._goal.id, self._here.tables
        for revision, what in enumerate(self._goal.steering, start=2):
            while events_of(tables.of_goal[goal], "goal_resumed") < revision - 1:
                while not is_final(tables.of_goal[goal]):
                    await changed(tables)
                try:
                    await self._processes.in_host(lambda what=what: self._hand_in(what))
                except AtosError as error:
                    if error.next_step.startswith("Try again"):
                        await asyncio.sleep(3.0)
                        continue
                    self._here.note(f"{goal} can't go on by {what}: {error}")
                    return

    async def _hand_in(self, what: str) -> None:
        await self._here.takes("steer")
        self._here.note(f"{self._goal.id} is handed in {what}")
        acceptance: Any = self._acceptance
        steering = GoalSteering(acceptance, self._known, self._processes.notify)
        if what == "retry":
            await steering.retry(self._goal.id)
        else:
            await steering.answer(self._goal.id, what, "f(1) == 1")

    async def _known(self, goal: str) -> list[Event]:
        await self._here.takes("known")
        self._here.tables.check()
        return list(self._here.tables.of_goal[goal])


def events_of(events: list[Event], kind: str) -> int:
    """Return how many events are of a kind."""
    return sum(event.kind == kind for event in events)


def is_final(events: list[Event]) -> bool:
    """Tell whether a goal has ended, by its events."""
    last = [event.kind for event in events if event.kind in {"goal_finished", "goal_resumed"}]
    return bool(last) and last[-1] == "goal_finished"
