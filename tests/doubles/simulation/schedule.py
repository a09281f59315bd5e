"""Plays one schedule from its story to its end, and tells which invariants it violated."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from atos_orchestrator.events import fold
from atos_orchestrator.execution.goal_cancelling import GoalCancelling
from atos_orchestrator.execution.goal_input import GOAL, TASK, GoalInput, Limits
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.goal_steering import GoalSteering
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.reconciler import Reconciler
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_protocol.errors import AtosError, NoSpaceError, UnreachableError
from atos_protocol.goals import FINAL_GOAL_STATES, Event
from atos_protocol.settings import Settings
from doubles.simulation import seams
from doubles.simulation.invariants import check_at_the_end
from doubles.simulation.library import Runtime, changed
from doubles.simulation.machine import PROCESS, Machine, Process, ProcessKilled, enter
from doubles.simulation.places import Places
from doubles.simulation.store import Acceptance, Events
from doubles.simulation.story import Fault, GoalStory, Story
from doubles.simulation.tables import ENDED
from doubles.simulation.work import Work

SETTINGS = Settings(home=Path("/h"), workspaces=Path("/w"))
PATIENCE_SECONDS = 4 * 3600.0
"""Virtual seconds after which a goal that has not ended is lost."""
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
        self._worker = Process("no worker")
        self._host = Process("host")
        self._runtime: Runtime | None = None
        self._off_until = 0.0
        self._lost_notices = 0
        seams.use(self._places)
        PROCESS.set(self._world)
        here.at_point = self._dies_at

    async def play(self) -> None:
        """Play it, and check what must be true at its end."""
        here = self._here
        people = [self._world.start(self._person(goal)) for goal in self._story.goals]
        self._world.start(self._workers())
        for fault in self._story.faults:
            self._world.start(self._strike(fault))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + self._longest()):
                await asyncio.gather(*people)
                while not self._settled():
                    await changed(here.tables)
            rarely = here.chance.number("looks") < 0.1
            await asyncio.sleep(LOOKS_SECONDS if rarely else 0.5)
        except TimeoutError:
            open_goals = sorted(self._open())
            here.violated("every_goal_ends", f"{open_goals} after {here.now:.0f} s")
        else:
            check_at_the_end(self._story, here, self._places, self._work)
        everybody = [self._world, self._worker, self._host]
        left = [task for process in everybody for task in process.tasks]
        for process in everybody:
            process.kill()
        await asyncio.gather(*left, return_exceptions=True)

    def _longest(self) -> float:
        return sum(f.seconds for f in self._story.faults if f.kind != "clock jump")

    def _open(self) -> set[str]:
        unended = {run.workflow_id for run in self._here.tables.runs.values() if run.status not in ENDED}
        goals = {goal for goal, events in self._here.tables.of_goal.items() if not _final(events)}
        return unended | goals

    def _settled(self) -> bool:
        return not self._open()

    # Processes

    async def _workers(self) -> None:
        """Start a worker whenever there is none, as the host does."""
        here, starts = self._here, 0
        while True:
            starts += 1
            self._worker = Process(f"worker {starts}")
            here.note(f"{self._worker.name} starts")
            task = self._worker.start(self._run_worker(starts))
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
            if self._worker.alive:
                here.violated("workers_never_end_by_themselves", repr(task.exception()))
            await asyncio.sleep(here.chance.between("restart", 0.2, 2.0))
            await asyncio.sleep(max(0.0, self._off_until - here.now))

    async def _run_worker(self, starts: int) -> None:
        """Do what `execution.worker` does."""
        here, tables = self._here, cast("Any", self._here.tables)
        most = self._story.at_once
        runtime = Runtime(tables, name="worker", starts=starts, goals_at_once=most)
        events, client = Events(tables), DbosClient(tables, retries=False)
        reconciler = Reconciler(client, events, lambda: runtime.executor, runtime.wake)
        await self._through_outages(reconciler.at_start)
        deps = WorkflowDeps(
            settings=SETTINGS,
            runtime=runtime,
            events=events,
            chat=self._work.chat,
            tools=self._work.tools,
            plan=self._work.plan,
            debug=self._work.debug,
        )
        bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
        async with events.writing(), runtime.worker(bodies):
            self._runtime = runtime
            here.note(f"{PROCESS.get().name} is ready")
            await self._through_outages(reconciler.run)

    async def _through_outages(self, call: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await call()
            except UnreachableError:
                await self._here.up.wait()

    async def _notify(self, message: Mapping[str, Any]) -> None:
        """Tell the worker, as the host does over its control socket; a notice may be lost."""
        await self._here.takes("notice")
        if self._lost_notices:
            self._lost_notices -= 1
            return
        if self._runtime is not None and self._worker.alive:
            if message["op"] == "cancel":
                self._runtime.scopes.cancel(str(message["goal"]))
            self._runtime.wake()

    # People

    async def _in_host(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """Do something in the host; return whether it was done, and not cut off or refused for the moment."""
        done = False

        async def work() -> None:
            nonlocal done
            with suppress(UnreachableError):
                await call()
                done = True

        task = (host := self._host).start(work())
        await asyncio.wait([task])
        if not host.alive and self._host is host:
            self._host = Process("host")
        elif host.alive and (error := task.exception()) is not None:
            raise error
        if not done:
            await asyncio.sleep(0.5)
        return done

    async def _person(self, goal: GoalStory) -> None:
        """Start a goal, and do with it what its story says."""
        here, tables = self._here, self._here.tables
        events = Events(tables)
        client = DbosClient(cast("Any", tables), retries=False)
        acceptance = Acceptance(tables, events, client)
        await asyncio.sleep(goal.at)
        while goal.id not in tables.of_goal:
            await self._in_host(lambda: self._submit(goal, acceptance))
        begun = [self._world.start(self._act(goal.id, act)) for act in goal.acts]
        if goal.cancel_at:
            begun.append(self._world.start(self._cancel(goal, client, events)))
        await self._steer(goal, cast("Any", acceptance), events)
        await asyncio.gather(*begun)
        here.note(f"the person of {goal.id} is done")

    async def _submit(self, goal: GoalStory, acceptance: Acceptance) -> None:
        await self._here.takes("submit")
        goal_input = GoalInput(
            goal.id,
            goal.id,
            goal.id,
            "general",
            self._here.wall(),
            limits=Limits(model_calls=goal.most_calls),
            priority=goal.priority,
        )
        data = {"goal": goal.id, "priority": goal.priority}
        acceptance.accept(goal_input, "goal_submitted", data, "submitted")
        self._here.note(f"{goal.id} is accepted, priority {goal.priority}")
        await self._notify({"op": "wake"})

    async def _act(self, goal: str, act: tuple[float, str]) -> None:
        await asyncio.sleep(act[0])
        self._places.person(goal, act[1], self._here)

    async def _cancel(self, goal: GoalStory, client: DbosClient, events: Events) -> None:
        await asyncio.sleep(goal.cancel_at)
        cancelling = GoalCancelling(client, events, self._notify)

        async def cancel() -> None:
            view = fold(events.read(goal.id))
            if view.state not in FINAL_GOAL_STATES:
                self._here.note(f"{goal.id} is cancelled")
                await cancelling.cancel(view)

        while not await self._in_host(cancel) and self._here.tables.away:
            await self._here.up.wait()

    async def _steer(self, goal: GoalStory, acceptance: Any, events: Events) -> None:
        steering = GoalSteering(acceptance, self._known, self._notify)
        tables = self._here.tables
        for revision, what in enumerate(goal.steering, start=2):
            while events_of(tables.of_goal[goal.id], "goal_resumed") < revision - 1:
                while not _final(tables.of_goal[goal.id]):
                    await changed(tables)
                try:
                    await self._in_host(lambda what=what: self._hand_in(steering, goal.id, what))
                except AtosError as error:
                    if error.next_step.startswith("Try again"):
                        await asyncio.sleep(3.0)
                        continue
                    self._here.note(f"{goal.id} can't go on by {what}: {error}")
                    return

    async def _hand_in(self, steering: GoalSteering, goal: str, what: str) -> None:
        await self._here.takes("steer")
        self._here.note(f"{goal} is handed in {what}")
        if what == "retry":
            await steering.retry(goal)
        else:
            await steering.answer(goal, what, "f(1) == 1")

    async def _known(self, goal: str) -> list[Event]:
        await self._here.takes("known")
        self._here.tables.check()
        return list(self._here.tables.of_goal[goal])

    # Faults

    def _dies_at(self, name: str, count: int) -> bool:
        return any(
            f.kind == "kill at point" and f.point == name and f.nth == count
            for f in self._story.faults
        )

    async def _strike(self, fault: Fault) -> None:
        here = self._here
        if fault.kind == "kill at point":
            return
        await asyncio.sleep(fault.at)
        here.note(f"{fault.kind}, {fault.seconds:.1f} s")
        await self._FAULTS[fault.kind](self, fault)
        here.note(f"{fault.kind} is over")

    async def _kill_worker(self, fault: Fault) -> None:
        self._worker.kill()

    async def _machine_off(self, fault: Fault) -> None:
        self._off_until = max(self._off_until, self._here.now + fault.seconds)
        self._worker.kill()
        self._host.kill()

    async def _kill_host(self, fault: Fault) -> None:
        self._host.kill()
        await asyncio.sleep(1.0)  # its worker notices, and drains
        self._worker.kill()

    async def _database_away(self, fault: Fault) -> None:
        self._here.away(True)
        await asyncio.sleep(fault.seconds)
        self._here.away(False)

    async def _no_git(self, fault: Fault) -> None:
        self._here.git_trouble = UnreachableError("git could not be started")
        await asyncio.sleep(fault.seconds)
        self._here.git_trouble = None

    async def _disk_full(self, fault: Fault) -> None:
        self._here.git_trouble = NoSpaceError("the disk is full")
        self._here.away(True)
        await asyncio.sleep(fault.seconds)
        self._here.git_trouble = None
        self._here.away(False)

    async def _clock_jump(self, fault: Fault) -> None:
        self._here.jumped += fault.seconds

    async def _slow(self, fault: Fault) -> None:
        self._here.slow = 30.0
        await asyncio.sleep(fault.seconds)
        self._here.slow = 1.0

    async def _lose_notice(self, fault: Fault) -> None:
        self._lost_notices += 2

    _FAULTS: Mapping[str, Callable[["_Schedule", Fault], Awaitable[None]]] = {
        "kill worker": _kill_worker,
        "machine off": _machine_off,
        "kill host": _kill_host,
        "database away": _database_away,
        "no git": _no_git,
        "disk full": _disk_full,
        "clock jump": _clock_jump,
        "slow": _slow,
        "lost notice": _lose_notice,
    }


def events_of(events: list[Event], kind: str) -> int:
    """Return how many events are of a kind."""
    return sum(event.kind == kind for event in events)


def _final(events: list[Event]) -> bool:
    last = [event.kind for event in events if event.kind in {"goal_finished", "goal_resumed"}]
    return bool(last) and last[-1] == "goal_finished"
