"""`atos-worker`: the process that executes goals.

    lock (waits for a dying predecessor) -> database (waits for it) -> recover -> ready -> work -> drain -> end

A child of the server host, connected to it by a control socket (`--control-fd N`), or started by
hand. It ends when the host closes the socket or on SIGTERM: running steps are cancelled, so models and
sandboxes are released, and the next worker repeats whatever was not recorded. Being killed at any
moment has the same effect, and so has a loop that stands still (`stalled_loop`). A database that is away ends nothing: the runtime's threads and every loop
of the worker wait until it is back (`database_health`), and what was lost meanwhile is found by the `reconciler`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from atos.scheduler_client import SchedulerClient
from atos_daemon.runtime import run_daemon
from atos_daemon.stalled_loop import end_when_stalled
from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.database import Database
from atos_orchestrator.execution.database_health import PROBE_SECONDS, Health
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import GOAL, PLAN, TASK, run_of
from atos_orchestrator.execution.goal_queue import goals_at_once
from atos_orchestrator.execution.goal_removal import GoalRemoval
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.home_claim import claim
from atos_orchestrator.execution.host_control import Control
from atos_orchestrator.execution.host_link import HostLink
from atos_orchestrator.execution.pause_gate import PauseGate
from atos_orchestrator.execution.plan_hints import HintPublisher
from atos_orchestrator.execution.plan_workflow import PlanWorkflow
from atos_orchestrator.execution.reconciler import Reconciler
from atos_orchestrator.execution.retention import Retention
from atos_orchestrator.execution.run_records import RunRecords
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.worker_name import worker_name
from atos_orchestrator.execution.workflow_deps import WorkflowDeps, open_workflow_deps
from atos_orchestrator.workspace.closing import sweep
from atos_protocol.errors import UnreachableError
from atos_protocol.records import clean_request
from atos_protocol.settings import Settings
from atos_protocol.versions import RUNNING

CLEAN_UP_SECONDS = 5.0
"""How long a cancelled step may take before others are listened to again."""

log = logging.getLogger(__name__)

OpenDeps = Callable[
    [Settings, DbosRuntime, EventStore, SchedulerClient], AbstractAsyncContextManager[WorkflowDeps]
]


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until its host is gone or it is told to end; return the exit status."""
    return run(open_workflow_deps, arguments)


def run(open_deps: OpenDeps, arguments: list[str] | None = None) -> int:
    """Run a worker with dependencies of the caller's choice."""
    parser = argparse.ArgumentParser(prog="atos-worker", description="Execute goals.")
    parser.add_argument(
        "--control-fd", type=int, help="socket to the host that started this worker"
    )
    chosen = parser.parse_args(arguments)

    def body(settings: Settings) -> None:
        logging.getLogger("dbos").addFilter(CancelledQuietly())
        control = Control(chosen.control_fd) if chosen.control_fd is not None else None
        anyio.run(serve, settings, control, open_deps)

    return run_daemon("worker", body)


async def serve(settings: Settings, control: Control | None, open_deps: OpenDeps) -> None:
    """Work until the control socket or a signal says to end; the caller holds the role's lock."""
    link = HostLink(control)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end_when_stalled)
        tasks.start_soon(link.run)
        opened = await _open_patiently(settings, link)
        if opened is not None:
            database, events = opened
            database.health.on_change(link.tell_health)
            tasks.start_soon(database.watch)
            async with _working(settings, database, events, open_deps) as worker:
                point("worker.recovered")
                events.listen(lambda g, s: link.send({"op": "event", "goal": g, "seq": s}))
                worker.retention.tell = lambda kept: link.send({"op": "records", **asdict(kept)})
                link.connect(worker.cancel, worker.wake, worker.answer, worker.pauses)
                point("worker.ready")
                log.info("ready, version %s", RUNNING)
                await worker.run(link.ended)
        tasks.cancel_scope.cancel()


class Worker:
    """What the control socket controls."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        runtime: DbosRuntime,
        events: EventStore,
        hints: HintPublisher,
        gate: PauseGate,
    ) -> None:
        self._settings = settings
        self._health = database.health
        self._runtime = runtime
        self._client = DbosClient(
            database.engine, retries=False, goals_at_once=goals_at_once(settings)
        )
        self._events = events
        self._hints = hints
        self._window = _Window(runtime, gate)
        self._reconciler = Reconciler(
            self._client, events, lambda: runtime.executor, runtime.wake, gate.close_for
        )
        removal = GoalRemoval(settings, RunRecords.of(self._client))
        self.retention = Retention(settings, removal, events.unfinished)

    async def begin(self) -> None:
        """Settle what earlier workers left, before anything is executed."""
        await self._health.through_outages(self._reconciler.at_start)
        await self._health.through_outages(self.retention.finish)
        await self._health.through_outages(self.sweep)

    async def run(self, ended: anyio.Event) -> None:
        """Keep everything going that surrounds the execution, until `ended`."""
        async with anyio.create_task_group() as tasks:
            loops = (self._hints.run, self._reconciler.run, self.retention.run, self._window.keep)
            for loop in loops:
                tasks.start_soon(self._health.through_outages, loop)
            await ended.wait()
            self._health.close()
            tasks.cancel_scope.cancel()

    def wake(self) -> None:
        """Look at the queues at once, because something has happened to some goal."""
        self._runtime.wake()
        self.retention.note_activity()

    async def pauses(self) -> None:
        """Have the steps of paused goals wait, and all others go on.

        Raises:
            UnreachableError: the database is away; the next look does it.
        """
        await self._reconciler.hold()

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the host asks for on a person's behalf: to remove records of goals that have ended.

        Raises:
            AtosError: it can't be done.
        """
        request = clean_request(message["request"])
        report = await anyio.to_thread.run_sync(self.retention.clean, request)
        self.retention.tell(await anyio.to_thread.run_sync(self.retention.kept))
        return asdict(report)

    async def cancel(self, goal: str, revision: int = 0) -> None:
        """End a goal's steps at once, and remove what they had begun.

        Args:
            goal: its id.
            revision: which run of it was to end; 0: the newest. A word that comes late does not end the run by which the
                goal has gone on since.

        Raises:
            UnreachableError: the database is away; the steps have ended all the same.
        """
        late, ended = False, 0
        try:
            newest = await anyio.to_thread.run_sync(self._events.revision, goal)
            if late := 0 < revision < newest:
                return
            await self._client.cancel(run_of(goal, newest))
        finally:
            ended = 0 if late else self._runtime.scopes.cancel(goal)
        with anyio.move_on_after(CLEAN_UP_SECONDS) as waiting:
            await self._runtime.scopes.ended(goal)
        self._hints.note_change(goal)
        log.info("goal %s cancelled, %d steps were at work", goal, ended)
        if waiting.cancelled_caught:
            log.warning("a step of %s has not ended after %.0f s", goal, CLEAN_UP_SECONDS)
        await self.sweep()

    async def sweep(self) -> None:
        """Remove the worktrees of goals that have ended."""
        await sweep(self._settings.home, lambda: anyio.to_thread.run_sync(self._events.unfinished))


class _Window:
    """So many goals at once as are allowed, not counting those that are paused: they have a place and use nothing."""

    def __init__(self, runtime: DbosRuntime, gate: PauseGate) -> None:
        self._runtime = runtime
        self._gate = gate
        self._changed = anyio.Event()
        self._idle = 0
        gate.listen(lambda: self._changed.set())

    async def keep(self) -> None:
        """Widen and narrow the window until cancelled.

        Raises:
            UnreachableError: the database is away.
        """
        while True:
            self._changed = anyio.Event()
            if (idle := self._gate.held) != self._idle:
                await anyio.to_thread.run_sync(self._runtime.limit, idle)
                self._idle = idle
                self._runtime.wake()
            await self._changed.wait()


async def _open_patiently(settings: Settings, link: HostLink) -> tuple[Database, EventStore] | None:
    """Open the database as soon as it can be; return None when the word to end comes first."""
    away = False
    while not link.ended.is_set():
        try:
            return await anyio.to_thread.run_sync(_opened, settings)
        except UnreachableError as error:
            if not away:
                log.warning("waiting for the database: %s", error.message)
                link.tell_health(Health("degraded", error.message, error.next_step, time.time()))
            away = True
        with anyio.move_on_after(PROBE_SECONDS):
            await link.ended.wait()
    return None


def _opened(settings: Settings) -> tuple[Database, EventStore]:
    database = Database(settings)
    events = EventStore(database.engine)
    try:
        database.prepare(partial(claim, database.engine, worker_name(settings)))
        database.prepare(events.create)
        client = DbosClient(database.engine, retries=False)
        database.prepare(client.prepare)
        database.prepare(GoalRemoval(settings, RunRecords.of(client)).create)
    except UnreachableError:
        database.dispose()
        raise
    return database, events


@asynccontextmanager
async def _working(
    settings: Settings, database: Database, events: EventStore, open_deps: OpenDeps
) -> AsyncGenerator[Worker]:
    """Open everything else that a worker needs, recover what is unfinished, and execute."""
    runtime = DbosRuntime(
        database.patient, name=worker_name(settings), goals_at_once=goals_at_once(settings)
    )
    async with (
        SchedulerClient(settings) as scheduler,
        SchedulerClient(settings, start=False) as observer,
        open_deps(settings, runtime, events, scheduler) as deps,
    ):
        hints = HintPublisher(events, observer)
        worker = Worker(settings, database, runtime, events, hints, deps.gate)
        events.listen(lambda goal, _seq: hints.note_change(goal))
        await worker.begin()
        bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps), PLAN: PlanWorkflow(deps)}
        async with events.writing(), runtime.worker(bodies):
            yield worker


class CancelledQuietly(logging.Filter):
    """Drops what DBOS says about runs that were cancelled on purpose: two tracebacks each."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything else."""
        raised = record.exc_info[0] if record.exc_info else None
        why = raised.__name__ if raised else record.getMessage()
        return "cancelled" not in why.lower()


if __name__ == "__main__":
    sys.exit(main())
