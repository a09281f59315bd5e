"""Plays one schedule from its story to its end, and tells which invariants it violated."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
from dataclasses import dataclass

from atos_orchestrator.execution.dbos_runtime import MOST_STARTS
from doubles.simulation import seams
from doubles.simulation.faults import strike
from doubles.simulation.invariants import check_at_the_end
from doubles.simulation.library import changed
from doubles.simulation.machine import PROCESS, Machine, Process, enter
from doubles.simulation.people import Person, is_final
from doubles.simulation.places import Places
from doubles.simulation.processes import Processes
from doubles.simulation.story import Story
from doubles.simulation.tables import ENDED
from doubles.simulation.work import Work

PATIENCE_SECONDS = 3600.0
"""Virtual seconds after which a goal that has not ended is lost."""
DEATH_SECONDS = 10.0
"""So long at most, without faults, from a worker's end to the next one's work on the same task."""
LOOKS_SECONDS = 21.0
"""So long after everything has ended, nothing may change any more: some looks of the reconciler (one schedule in ten)."""


@dataclass(frozen=True)
class Played:
    """How a schedule went."""

    story: Story
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    seconds: float
    """Virtual ones."""


async def play(story: Story) -> Played:
    """Play a schedule; needs `seams.simulated` around it."""
    here = Machine(story.seed)
    enter(here)
    schedule = _Schedule(story, here)
    await schedule.play()
    return Played(story, tuple(here.violations), tuple(here.trace), here.now)


class _Schedule:
    """The processes, people and faults of one schedule."""

    def __init__(self, story: Story, here: Machine) -> None:
        self._story = story
        self._here = here
        self._places = Places()
        self._work = Work(story)
        self._world = Process("world")
        self._processes = Processes(here, self._work, story.at_once)
        seams.use(self._places)
        PROCESS.set(self._world)
        here.at_point = self._dies_at

    async def play(self) -> None:
        """Play it, and check what must be true at its end."""
        here = self._here
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + self._longest()):
                await self._until_settled()
        except TimeoutError:
            how = f"{sorted(self._open())} after {here.now:.0f} s"
            here.violated("every_goal_ends", how)
        else:
            check_at_the_end(self._story, here, self._places, self._work)
        await self._end()

    async def _until_settled(self) -> None:
        here, processes = self._here, self._processes
        people = [Person(goal, here, processes, self._places) for goal in self._story.goals]
        lives = [self._world.start(person.live(self._world)) for person in people]
        self._world.start(processes.keep_worker())
        for fault in self._story.faults:
            if fault.kind != "kill at point":
                self._world.start(strike(fault, here, processes))
        await asyncio.gather(*lives)
        while self._open():
            await changed(here.tables)
        rarely = here.chance.number("looks") < 0.1
        await asyncio.sleep(LOOKS_SECONDS if rarely else 0.5)

    async def _end(self) -> None:
        everybody = [self._world, self._processes.worker, self._processes.host]
        left = [task for process in everybody for task in process.tasks]
        for process in everybody:
            process.kill()
        await asyncio.gather(*left, return_exceptions=True)

    def _longest(self) -> float:
        faults = sum(f.seconds for f in self._story.faults if f.kind != "clock jump")
        deaths = sum(
            DEATH_SECONDS + max(t.kills_after for t in g.tasks)
            for g in self._story.goals
            if g.fatal
        )
        return faults + (MOST_STARTS + 1) * deaths

    def _open(self) -> set[str]:
        """Return what has not ended: runs, and goals by their events."""
        tables = self._here.tables
        runs = {run.workflow_id for run in tables.runs.values() if run.status not in ENDED}
        return runs | {goal for goal, events in tables.of_goal.items() if not is_final(events)}

    def _dies_at(self, name: str, count: int) -> bool:
        return any(
            f.kind == "kill at point" and f.point == name and f.nth == count
            for f in self._story.faults
        )
