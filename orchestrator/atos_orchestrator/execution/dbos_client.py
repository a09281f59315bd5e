"""Durable runs on DBOS, as any process may use them: submit, cancel, wait for a result, list.

A *run* is one durable execution of a registered body. Its *steps* are recorded: when the process
dies, another one executes the body again, recorded steps return what they returned, and the first
unrecorded one continues. Hence the two rules for bodies: outside of steps they are deterministic, and
within one run steps follow one another. What runs side by side is a run of its own.

`DbosClient` launches nothing, and the database is migrated by the process that comes first.
`dbos_runtime.DbosRuntime` adds what a body and the executing process need. There is no interface above
the two classes: they are the only implementation, nothing else imports DBOS, and
tests/orchestrator/execution/test_dbos_contract.py states what they guarantee.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio.to_thread
import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, WorkflowHandleAsync
from dbos import error as dbos_error

from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, CancelledWorkError, NotFoundError, from_wire

RunState = Literal["queued", "running", "success", "error", "cancelled"]
Body = Callable[[Json], Awaitable[Json]]

GOALS = "goals"
TASKS = "tasks"
QUEUES = (GOALS, TASKS)
"""Queues are named after what they hold, never after a model: only the scheduler orders model calls."""

APPLICATION = "atos"
VERSION = "atos-1"
"""Raised only when recorded steps of an older version could not be replayed."""

SERIALIZER = DBOSPortableJSONSerializer()
"""JSON: DBOS's own default is pickle, which runs the code of whoever can write the database."""

POLL_SECONDS = 1.0
"""How often a queue is polled by whoever follows its row; the worker does not (`queue_threads`)."""
RESULT_POLL_SECONDS = 0.1
"""How often a run that is waited for is looked at."""
logging.getLogger("dbos").setLevel(logging.WARNING)  # it logs every migration and every start

STATES: dict[str, RunState] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "success",
    "ERROR": "error",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "error",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A durable execution, as the runtime knows it."""

    id: str
    body: str
    state: RunState
    executor: str = field(default="", compare=False)
    """Who claimed it last."""
    starts: int = field(default=0, compare=False)
    """How often it was claimed, without those times that a worker ended in order."""


REVISION = ".r"
"""Between a goal's id and the number of its run, from the second on: `G.r2`."""


def root(run: str) -> str:
    """Return the goal that a run belongs to: `G` for `G`, `G:T1`, `G.r2` and `G.r2:T1`."""
    return parent(run).partition(REVISION)[0]


def parent(run: str) -> str:
    """Return the goal's run that a task's run belongs to: `G.r2` for `G.r2:T1`, and for itself."""
    return run.partition(":")[0]


def options(body: str, run: str, queue: str, place: int = 0) -> EnqueueOptions:
    """Return what DBOS needs to queue a run; the lowest place is taken first, and the oldest of one place.

    Without a place (0) it goes before all that have one.
    """
    chosen: EnqueueOptions = {
        "workflow_name": body,
        "queue_name": queue,
        "workflow_id": run,
        "app_version": VERSION,
        "application_name": APPLICATION,
    }
    return {**chosen, "priority": place} if place else chosen


class DbosClient:
    """What any process may do with runs.

    Args:
        engine: of the goals database.
        retries: whether a call that loses its connection is repeated until it succeeds, in its thread.
        goals_at_once: how many goals an executor runs at once, oldest first; 0: all.
    """

    def __init__(self, engine: sa.Engine, *, retries: bool = True, goals_at_once: int = 0) -> None:
        self._most_at_once = {GOALS: goals_at_once or None}
        self._client = DBOSClient(
            system_database_engine=engine,
            serializer=SERIALIZER,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=retries,
        )

    def prepare(self) -> None:
        """Bring the database's schema up to date and register the queues.

        The queues must exist before a worker launches: DBOS looks for new ones once a second.
        """
        # The client's public interface has no migration, and a worker may start after the first
        # goal; tests/orchestrator/execution/test_dbos_contract.py pins this private name.
        self._client._sys_db.run_migrations()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        for queue in QUEUES:
            self._client.register_queue(
                queue,
                polling_interval_sec=POLL_SECONDS,
                worker_concurrency=self._most_at_once.get(queue),
                on_conflict="never_update",
            )

    def limit(self, idle: int = 0) -> None:
        """Have so many goals run at once as this client was told; a worker notices at its next poll.

        Args:
            idle: so many more, because that many which have begun are paused.
        """
        for queue in QUEUES:
            most = self._most_at_once.get(queue)
            self._client.register_queue(
                queue,
                polling_interval_sec=POLL_SECONDS,
                worker_concurrency=most + idle if most else None,
            )

    @property
    def tables(self) -> tuple[sa.Engine, Any]:
        """The runtime's tables, for `run_records`, and an engine that knows in which schema they are."""
        database = self._client._sys_db  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return database.engine, database.tables

    def close(self) -> None:
        """Disconnect from the database; the engine stays with its owner."""
        self._client.destroy()

    def submit_within(
        self,
        connection: sa.Connection,
        body: str,
        run: str,
        argument: Json,
        *,
        queue: str,
        place: int = 0,
    ) -> None:
        """Queue a run in the caller's transaction, so that both succeed or neither."""
        self._client.enqueue_in_transaction(connection, options(body, run, queue, place), argument)

    async def submit(self, body: str, run: str, argument: Json, *, queue: str) -> None:
        """Queue a run; a second submission under the same id changes nothing."""
        await self._client.enqueue_async(options(body, run, queue), argument)

    async def cancel(self, run: str) -> None:
        """Cancel a run and everything that it submitted; a finished run stays as it is."""
        await self._client.cancel_workflow_async(run, cancel_children=True)

    async def result(self, run: str) -> Json:
        """Wait for a run and return what its body returned.

        Raises:
            NotFoundError: there is no such run (any more).
            CancelledWorkError: the run was cancelled.
            AtosError: its body failed.
        """
        try:
            handle: WorkflowHandleAsync[Json] = await self._client.retrieve_workflow_async(run)
        except dbos_error.DBOSNonExistentWorkflowError as error:
            message = f"the database has no run {run!r}"
            raise NotFoundError(message) from error
        return await outcome(handle)

    async def requeue(self, run: Run) -> bool:
        """Return a run to its queue, if it is still running under the executor that was seen.

        That executor's body may live after all: it can't commit anything any more.
        """
        # The public way (`resume_workflow`) would revive a run that was cancelled meanwhile; pinned by
        # tests/orchestrator/execution/test_dbos_contract.py.
        database = self._client._sys_db  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

        def requeued() -> bool:
            return database.reenqueue_for_recovery(run.id, [run.executor], GOALS)

        return await anyio.to_thread.run_sync(requeued)

    async def forget_starts(self, runs: Collection[Run], *, only_last: bool = False) -> None:
        """Count runs that are executing as begun once, or else as begun once less."""
        engine, tables = self.tables
        table = tables.workflow_status
        these = (table.c.workflow_uuid.in_([run.id for run in runs]), table.c.status == "PENDING")
        counted = table.c.recovery_attempts - 1 if only_last else 1

        def forgotten() -> None:
            with engine.begin() as connection:
                connection.execute(sa.update(table).where(*these).values(recovery_attempts=counted))

        await anyio.to_thread.run_sync(forgotten)

    async def list(
        self, states: Sequence[RunState] = (), *, body: str = "", ids: Sequence[str] = ()
    ) -> list[Run]:
        """Return the runs in one of these states and with one of these ids (any when empty), newest first."""
        wanted = [theirs for theirs, ours in STATES.items() if ours in states]

        def query() -> list[Any]:
            return self._client.list_workflows(
                workflow_ids=list(ids) or None,
                status=wanted or None,
                name=body or None,
                sort_desc=True,
                load_input=False,
                load_output=False,
            )

        found = await anyio.to_thread.run_sync(query)
        return [
            Run(
                each.workflow_id,
                each.name,
                STATES[each.status],
                each.executor_id or "",
                each.recovery_attempts or 0,
            )
            for each in found
        ]


async def outcome(handle: WorkflowHandleAsync[Json]) -> Json:
    """Wait for a workflow; translate its failure into this project's errors.

    Raises:
        CancelledWorkError: it was cancelled.
        AtosError: its body failed.
    """
    try:
        return await handle.get_result(polling_interval_sec=RESULT_POLL_SECONDS)
    except dbos_error.DBOSAwaitedWorkflowCancelledError as error:
        message = f"{handle.workflow_id} was cancelled"
        raise CancelledWorkError(message) from error
    except AtosError:
        raise
    except Exception as error:
        raise from_wire(
            {"code": "internal", "message": f"{type(error).__name__}: {error}"}
        ) from error
