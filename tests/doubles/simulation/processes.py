"""The worker and the host of the simulated machine, which are started again whenever they are killed."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.goal_input import GOAL, TASK
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.pause_gate import PauseGate
from atos_orchestrator.execution.reconciler import Reconciler
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_protocol.errors import UnreachableError
from atos_protocol.settings import Settings
from doubles.simulation.library import Runtime
from doubles.simulation.machine import PROCESS, Machine, Process
from doubles.simulation.store import Events
from doubles.simulation.work import Work

SETTINGS = Settings(home=Path("/h"), workspaces=Path("/w"))


class Processes:
    """Both of them, and what is between them."""

    def __init__(self, here: Machine, work: Work, at_once: int) -> None:
        self._here = here
        self._work = work
        self._at_once = at_once
        self.worker = Process("no worker")
        self.host = Process("host")
        self._runtime: Runtime | None = None
        self._hold: Callable[[], Awaitable[None]] | None = None
        self.off_until = 0.0
        """The machine is off until then."""
        self.lost_notices = 0
        """So many of the host's next words don't reach the worker."""

    async def keep_worker(self) -> None:
        """Start a worker whenever there is none, as the host does."""
        here, starts = self._here, 0
        while True:
            starts += 1
            self.worker = Process(f"worker {starts}")
            here.note(f"{self.worker.name} starts")
            task = self.worker.start(self._run_worker(starts))
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
            if self.worker.alive:
                here.violated("workers_never_end_by_themselves", repr(task.exception()))
            await asyncio.sleep(here.chance.between("restart", 0.2, 2.0))
            await asyncio.sleep(max(0.0, self.off_until - here.now))

    async def _run_worker(self, starts: int) -> None:
        """Do what `execution.worker` does."""
        here, tables = self._here, cast("Any", self._here.tables)
        most = self._at_once
        runtime = Runtime(tables, name="worker", starts=starts, goals_at_once=most)
        events, client = Events(tables), DbosClient(tables, retries=False)
        gate = PauseGate()
        runtime.idle = lambda: gate.held
        gate.listen(runtime.wake)
        reconciler = Reconciler(
            client, events, lambda: runtime.executor, runtime.wake, gate.close_for
        )
        await self._through_outages(reconciler.at_start)
        deps = WorkflowDeps(
            settings=SETTINGS,
            runtime=runtime,
            events=events,
            chat=self._work.chat,
            tools=self._work.tools,
            plan=self._work.plan,
            debug=self._work.debug,
            gate=gate,
        )
        bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
        async with events.writing(), runtime.worker(bodies):
            self._runtime, self._hold = runtime, reconciler.hold
            here.note(f"{PROCESS.get().name} is ready")
            await self._through_outages(reconciler.run)

    async def _through_outages(self, call: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await call()
            except UnreachableError:
                await self._here.up.wait()

    async def notify(self, message: Mapping[str, Any]) -> None:
        """Tell the worker, as the host does over its control socket; a notice may be lost."""
        await self._here.takes("notice")
        if self.lost_notices:
            self.lost_notices -= 1
            return
        if self._runtime is not None and self.worker.alive:
            if message["op"] == "cancel":
                self._runtime.scopes.cancel(str(message["goal"]))
            if message["op"] == "pauses":
                self.worker.start(self._look_at_pauses())
            self._runtime.wake()

    async def _look_at_pauses(self) -> None:
        assert self._hold is not None
        with suppress(UnreachableError):
            await self._hold()

    async def in_host(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """Do something in the host; return whether it was done, and not cut off or refused for the moment."""
        done = False

        async def work() -> None:
            nonlocal done
            with suppress(UnreachableError):
                await call()
                done = True

        task = (host := self.host).start(work())
        await asyncio.wait([task])
        if not host.alive and self.host is host:
            self.host = Process("host")
        elif host.alive and (error := task.exception()) is not None:
            raise error
        if not done:
            await asyncio.sleep(0.5)
        return done
