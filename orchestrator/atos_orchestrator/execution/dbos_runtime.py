"""Durable runs on DBOS, inside a body and in the executing process: step, wait, worker.

How DBOS is used, and why:

* `DBOS.launch()` runs inside the process's event loop, so bodies and steps run there too; a client
  made in that loop (tools, models) works in every step.
* Every start of a worker has an executor id of its own, `<name>#<random>`. DBOS recovers nothing of
  another id by itself, and a fixed id would make two processes steal each other's work. So at start and
  now and then (`reconciler`), holding the lock that proves every earlier process of this name dead, the
  worker returns their runs to the queue, where they are claimed again; should the earlier process be
  alive after all, DBOS refuses its commits.
* DBOS listens to no queue; runs are taken by threads of ours (`queue_threads`), which need not poll. Its own threads
  that do are ended after the launch.
* Steps are preemptible, and have a cancel scope of their own besides (`cancellation`): a cancelled run
  ends its step at once, and nothing is recorded for it.
"""

from __future__ import annotations

import asyncio  # noqa: TID251  # DBOS changes the asyncio loop itself, which only asyncio can undo
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync
from dbos import error as dbos_error
from dbos._dbos import _get_dbos_instance  # pyright: ignore[reportPrivateUsage]
from sqlalchemy.exc import SQLAlchemyError

from atos_orchestrator.execution.cancellation import RunningScopes
from atos_orchestrator.execution.dbos_client import (
    APPLICATION,
    QUEUES,
    RESULT_POLL_SECONDS,
    SERIALIZER,
    VERSION,
    Body,
    DbosClient,
    root,
)
from atos_orchestrator.execution.probation import suspects
from atos_orchestrator.execution.queue_threads import QueueThreads
from atos_orchestrator.execution.step_errors import is_trouble_between_steps
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, from_wire

log = logging.getLogger(__name__)

THREADS = 32
MOST_STARTS = 25
"""A run is abandoned after so many workers died while executing it."""
NOTIFICATION_SECONDS = 60.0
"""How often DBOS polls for notifications between runs; ATOS sends none."""
LEAVE_SECONDS = 1.0
"""How long bodies may take to clean up when the worker ends."""


@dataclass(frozen=True, slots=True)
class Executor:
    """One start of a worker: who claims runs, and which of them it is executing."""

    name: str
    """The same for every start; only one of them is alive."""
    id: str
    bodies: Callable[[], frozenset[str]] = field(compare=False)
    """Return the runs whose bodies are executing, or whose outcome is being recorded."""

    def succeeds(self, executor: str) -> bool:
        """Tell whether an executor is an earlier start of the same worker, and therefore dead."""
        # From the right: a name contains a path, which may contain the sign.
        return executor != self.id and executor.rpartition("#")[0] == self.name


class DbosRuntime(DbosClient):
    """What the executing process can do beyond a client; one per process, as DBOS is."""

    def __init__(self, engine: sa.Engine, *, name: str = "worker", goals_at_once: int = 0) -> None:
        super().__init__(engine, goals_at_once=goals_at_once)
        self.engine = engine
        self.scopes = RunningScopes()
        self._bodies: dict[str, Callable[[Json], Any]] = {}
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._queues = QueueThreads(lambda: bool(self._tasks))
        self.wake = self._queues.wake
        executor = f"{name}#{uuid.uuid4().hex[:8]}"
        self.executor = Executor(name, executor, lambda: frozenset(self._tasks.values()))

    async def submit(self, body: str, run: str, argument: Json, *, queue: str) -> None:
        """Queue a run; inside a body the submission is recorded, like a step."""
        if DBOS.workflow_id is None:
            await super().submit(body, run, argument, queue=queue)
        else:
            with SetWorkflowID(run):
                await DBOS.enqueue_workflow_async(queue, self._bodies[body], argument)
        self.wake()

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run `work` within the current run and record its result; see `ports.Steps`.

        It runs again when the process dies before the record exists. An `AtosError` is recorded like a
        result, and raised again by every replay.
        """
        run = DBOS.workflow_id or ""

        async def body() -> Json:
            with self.scopes.under(root(run)):
                try:
                    return {"value": await work()}
                except AtosError as error:
                    return {"error": error.to_wire()}
            # Only a cancelled scope leads here. DBOS records nothing for this error.
            message = f"{run} was cancelled"
            raise dbos_error.DBOSWorkflowCancelledError(message)

        recorded = await DBOS.run_step_async({"name": name, "preemptible": True}, body)
        if "error" in recorded:
            raise from_wire(recorded["error"])
        return recorded["value"]

    async def wait(self, runs: Sequence[str]) -> str:
        """Return the id of the first of these runs to end; recorded, like a step."""
        # Sorted, because a replay must wait for the same handles in the same order.
        handles: list[WorkflowHandleAsync[Json]] = [
            await DBOS.retrieve_workflow_async(run, existing_workflow=False) for run in sorted(runs)
        ]
        first = await DBOS.wait_first_async(handles, polling_interval_sec=RESULT_POLL_SECONDS)
        return first.workflow_id

    @asynccontextmanager
    async def worker(self, bodies: Mapping[str, Body]) -> AsyncGenerator[None]:
        """Execute queued runs of these bodies while the context lasts.

        Entering it recovers what earlier workers of this name left unfinished. The caller holds the lock
        of that name.
        """
        await anyio.to_thread.run_sync(self.prepare)
        # Before the first poll, or it would take all goals that wait.
        await anyio.to_thread.run_sync(self.limit)
        self.executor = replace(self.executor, id=f"{self.executor.name}#{uuid.uuid4().hex[:8]}")
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self.engine,
                "system_database_url": self.engine.url.render_as_string(hide_password=False),
                "executor_id": self.executor.id,
                "application_version": VERSION,
                "serializer": SERIALIZER,
                "log_level": "WARNING",
                "max_executor_threads": THREADS,
                "notification_listener_polling_interval_sec": NOTIFICATION_SECONDS,
                "run_migrations": False,
            }
        )
        for name, body in bodies.items():
            self._bodies[name] = DBOS.workflow(name=name, max_recovery_attempts=MOST_STARTS)(
                self._tracked(body)
            )
        DBOS.listen_queues([])
        DBOS.launch()
        _end_unused_threads()
        try:
            await self._recover()
            self._queues.start(QUEUES)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._queues.end)
                await self._leave_unfinished()
                await anyio.to_thread.run_sync(self._return_starts)
                await anyio.to_thread.run_sync(_destroy)
            self._bodies.clear()  # last: a body that still runs may queue another
            # DBOS made its own pool of threads the loop's default, and has just shut it down.
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="after-dbos"))

    def _tracked(self, body: Body) -> Callable[[Json], Awaitable[Json]]:
        """Wrap a body in a function that DBOS can mark, and track its task."""

        async def run(argument: Json) -> Json:
            task = asyncio.current_task()
            assert task is not None
            self._tasks[task] = DBOS.workflow_id or ""
            # DBOS records the outcome within the same task, after the body has returned.
            task.add_done_callback(self._forget)
            try:
                return await body(argument)
            except (dbos_error.DBOSWorkflowConflictIDError, dbos_error.DBOSWorkflowCancelledError):
                self._forget(task)  # DBOS goes on waiting for whoever owns the run now
                raise
            except Exception as error:
                if not is_trouble_between_steps(error):
                    raise
                log.warning("%s is left, and will be begun again: %s", DBOS.workflow_id, error)
                raise asyncio.CancelledError from error  # for which DBOS records nothing

        return run

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        self.wake()  # its place is free

    async def _leave_unfinished(self) -> None:
        """Cancel the bodies that are running: nothing is recorded, so the next worker continues them."""
        if running := list(self._tasks):
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=LEAVE_SECONDS)

    def _return_starts(self) -> None:
        """Don't count this start for the runs that are left: only a worker that dies is counted (`MOST_STARTS`).

        Otherwise a goal that is paused for weeks would be abandoned when ATOS was started often enough.
        """
        engine, tables = self.tables
        runs = tables.workflow_status
        left = (runs.c.executor_id == self.executor.id, runs.c.status == "PENDING")
        fewer = {"recovery_attempts": runs.c.recovery_attempts - 1}
        try:
            with engine.begin() as connection:
                connection.execute(sa.update(runs).where(*left).values(fewer))
        except SQLAlchemyError as error:
            log.info("the start of the runs that are left counts: %s", error)

    async def _recover(self) -> None:
        """Queue again what earlier workers of this name left unfinished, and that `probation` holds back for nobody."""
        dead = [run for run in await self.list(["running"]) if self.executor.succeeds(run.executor)]
        held = suspects(dead)
        recovered = [run for run in dead if root(run.id) not in held]
        for run in recovered:
            await self.requeue(run)
        if recovered:
            log.info("recovered %d runs that earlier workers left", len(recovered))


def _end_unused_threads() -> None:
    """End what DBOS does once a second for features that ATOS does not use.

    Three threads look for new queues, for delayed runs and runs with a deadline, and into a queue of its own; one looks
    for schedules. Without them a worker that had nothing to do took 0.35 % of a core; with them, its first minute included, 1.3 %
    (one run each, on a loaded machine).
    """
    dbos = _get_dbos_instance()
    for unused in (*dbos.background_thread_stop_events, dbos._background_jobs_stop_event):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        unused.set()


def _destroy() -> None:
    _leave_sleeping()
    DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0)


def _leave_sleeping() -> None:
    """Keep DBOS from waiting for its thread that sleeps between two polls for notifications."""
    threads = _get_dbos_instance()._background_threads  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    threads[:] = [each for each in threads if "run_notification_listener" not in each.name]
