"""`atos-worker`: the process that executes goals.

    lock (waits for a dying predecessor) -> database -> recover -> ready -> work -> drain -> end

A child of the server host, connected to it by a control socket (`--control-fd N`), or started by
hand. It ends when the host closes the socket or on SIGTERM: running steps are cancelled, so models and
sandboxes are released, and the next worker repeats whatever was not recorded. Being killed at any
moment has the same effect.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio
import anyio.to_thread

from atos.scheduler_client import SchedulerClient
from atos_daemon.runtime import run_daemon, until_signal
from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import GOAL, PLAN, TASK, finished_key, run_of
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.host_control import Control
from atos_orchestrator.execution.plan_hints import HintPublisher
from atos_orchestrator.execution.plan_workflow import PlanWorkflow
from atos_orchestrator.execution.poll_interval import PollInterval
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps, open_workflow_deps
from atos_orchestrator.workspace.worktrees import sweep
from atos_protocol.settings import Settings

DRAIN_SECONDS = 1.5
"""How long the end may take: the cleaning up of steps, and of DBOS."""
CLEAN_UP_SECONDS = 5.0
"""How long a cancelled step may take before others are listened to again."""
ABANDONED = "Abandoned: its worker died too often while executing it. See logs/worker.log."

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
    async with _working(settings, open_deps) as worker:
        point("worker.recovered")
        if control is not None:
            send = control.send
            worker.events.listen(lambda g, s: send({"op": "event", "goal": g, "seq": s}))
            send({"op": "ready"})
        point("worker.ready")
        log.info("ready, version %s", version("atos"))
        await _until_end(worker, control)
        log.info("ending")
        _end_for_sure()


class Worker:
    """What the control socket controls."""

    def __init__(
        self, settings: Settings, runtime: DbosRuntime, events: EventStore, hints: HintPublisher
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self.events = events
        self.hints = hints
        self.poll_interval = PollInterval(runtime.set_poll_interval)

    async def receive(self, message: dict[str, Any]) -> None:
        """Act on a message from the host."""
        if message["op"] == "cancel":
            await self.cancel(str(message["goal"]))
        else:
            self.note_activity()

    def note_activity(self) -> None:
        """Poll and publish soon, because something has happened to some goal."""
        self.poll_interval.note_activity()
        self.hints.note_change()

    async def cancel(self, goal: str) -> None:
        """End a goal's steps at once, and remove what they had begun."""
        revision = await anyio.to_thread.run_sync(self.events.revision, goal)
        await self._runtime.cancel(run_of(goal, revision))
        ended = self._runtime.scopes.cancel(goal)
        with anyio.move_on_after(CLEAN_UP_SECONDS) as waiting:
            await self._runtime.scopes.ended(goal)
        log.info("goal %s cancelled, %d steps were at work", goal, ended)
        if waiting.cancelled_caught:
            log.warning("a step of %s has not ended after %.0f s", goal, CLEAN_UP_SECONDS)
        await self.sweep()

    async def reconcile(self) -> None:
        """End the goals whose runs the runtime abandoned, such as one that kills its worker each time."""
        left = await anyio.to_thread.run_sync(self.events.unfinished)
        lost = await self._runtime.list(["error", "cancelled"], body=GOAL) if left else []
        newest = {run_of(goal, n := self.events.revision(goal)): (goal, n) for goal in left}
        for run in lost:
            if run.id in newest:
                goal, revision = newest[run.id]
                state = "cancelled" if run.state == "cancelled" else "failed"
                data = {"state": state, "summary": ABANDONED, "error": None}
                log.warning(
                    "goal %s: its run ended as %s without a goal_finished event", goal, run.state
                )
                self.events.append(goal, "goal_finished", data, key=finished_key(revision))

    async def sweep(self) -> None:
        """Remove the worktrees of goals that have ended."""
        live = await anyio.to_thread.run_sync(self.events.unfinished)
        await sweep(self._settings.home, live)


@asynccontextmanager
async def _working(settings: Settings, open_deps: OpenDeps) -> AsyncGenerator[Worker]:
    """Open everything a worker needs, recover what is unfinished, and execute."""
    engine = await anyio.to_thread.run_sync(open_database, settings)
    events = EventStore(engine)
    await anyio.to_thread.run_sync(events.create)
    at_once = settings.goals_at_once or default_goals_at_once()
    runtime = DbosRuntime(engine, name=_name(settings), goals_at_once=at_once)
    async with (
        SchedulerClient(settings) as scheduler,
        SchedulerClient(settings, start=False) as observer,
        open_deps(settings, runtime, events, scheduler) as deps,
    ):
        hints = HintPublisher(events, observer)
        worker = Worker(settings, runtime, events, hints)
        events.listen(lambda _goal, _seq: worker.note_activity())
        await anyio.to_thread.run_sync(runtime.prepare)
        await worker.reconcile()
        await worker.sweep()
        bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps), PLAN: PlanWorkflow(deps)}
        async with runtime.worker(bodies):
            yield worker


async def _until_end(worker: Worker, control: Control | None) -> None:
    """Publish hints and listen, until the host has gone or a signal came."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.hints.run)
        tasks.start_soon(worker.poll_interval.run)
        if control is None:
            await until_signal()
        else:
            tasks.start_soon(_cancel_on_signal, tasks.cancel_scope)
            await control.serve(worker.receive)
        tasks.cancel_scope.cancel()


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    await until_signal()
    scope.cancel()


def _end_for_sure() -> None:
    """End the process after the drain time, whatever still hangs: nothing is lost by it."""
    timer = threading.Timer(DRAIN_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()


def default_goals_at_once() -> int:
    """Return how many goals are worked on at once where nobody says: the cores, and two at least.

    A goal is either at a model, which serves one after the other, or in the sandbox, which has as many
    places as there are cores. More goals at once end no sooner together, and the first ones later.
    """
    return max(2, os.cpu_count() or 1)


def _name(settings: Settings) -> str:
    """Return this worker's name: one per machine and home, so that nobody recovers another's."""
    return f"{socket.gethostname()}:{settings.home}"


class CancelledQuietly(logging.Filter):
    """Drops what DBOS says about runs that were cancelled on purpose: two tracebacks each."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything else."""
        raised = record.exc_info[0] if record.exc_info else None
        why = raised.__name__ if raised else record.getMessage()
        return "cancelled" not in why.lower()


if __name__ == "__main__":
    sys.exit(main())
