"""The client half of the runtime, on DBOS: submit, cancel, signal, result, list.

Any process may use it; nothing is launched, and the database is migrated by whoever comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, WorkflowHandleAsync
from dbos import error as dbos_error

from atos_orchestrator.execution.runtime import QUEUES, Run, RunState
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, CancelledWorkError, from_wire

APPLICATION = "atos"
VERSION = "atos-1"
"""Raised only when recorded steps of an older version could not be replayed."""

SERIALIZER = DBOSPortableJSONSerializer()
"""JSON: DBOS's own default is pickle, which runs the code of whoever can write the database."""

POLL_SECONDS = 0.03
"""How often a queue is looked at, and a run that is waited for, while goals are at work."""
IDLE_POLL_SECONDS = 0.25
"""The same while there is nothing to do: a tenth of the processor time."""
logging.getLogger("dbos").setLevel(logging.WARNING)  # it tells of every migration and every start

STATES: dict[str, RunState] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "success",
    "ERROR": "error",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "error",
    "CANCELLED": "cancelled",
}


def options(body: str, run: str, queue: str) -> EnqueueOptions:
    """Return what DBOS needs to know to queue a run."""
    return {
        "workflow_name": body,
        "queue_name": queue,
        "workflow_id": run,
        "app_version": VERSION,
        "application_name": APPLICATION,
    }


class DbosClient:
    """Implements `RuntimeClient`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._client = DBOSClient(
            system_database_engine=engine,
            serializer=SERIALIZER,
            application_name=APPLICATION,
            lazy=True,
        )

    def prepare(self) -> None:
        """Bring the database's schema up to date and make the queues known.

        The queues must stand before a worker launches: DBOS looks for new ones once a second.
        """
        # The client migrates nothing by its public face, and a worker may come after the first
        # goal; tests/orchestrator/execution/test_dbos_contract.py pins this private name.
        self._client._sys_db.run_migrations()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        for queue in QUEUES:
            self._client.register_queue(
                queue, polling_interval_sec=POLL_SECONDS, on_conflict="never_update"
            )

    def pace(self, seconds: float) -> None:
        """Have the queues looked at every so often; a worker notices at its next look."""
        for queue in QUEUES:
            self._client.register_queue(queue, polling_interval_sec=seconds)

    def close(self) -> None:
        """Let go of the database; the engine stays with its owner."""
        self._client.destroy()

    def submit_within(
        self, connection: sa.Connection, body: str, run: str, argument: Json, *, queue: str
    ) -> None:
        """Queue a run in the caller's transaction, so that what is told about it stands or falls."""
        self._client.enqueue_in_transaction(connection, options(body, run, queue), argument)

    async def submit(self, body: str, run: str, argument: Json, *, queue: str) -> None:
        """See `RuntimeClient`."""
        await self._client.enqueue_async(options(body, run, queue), argument)

    async def cancel(self, run: str) -> None:
        """See `RuntimeClient`."""
        await self._client.cancel_workflow_async(run, cancel_children=True)

    async def signal(self, run: str, topic: str, value: Json) -> None:
        """See `RuntimeClient`."""
        await self._client.send_async(run, value, topic)

    async def result(self, run: str) -> Json:
        """See `RuntimeClient`."""
        handle: WorkflowHandleAsync[Json] = await self._client.retrieve_workflow_async(run)
        return await outcome(handle)

    async def list(self, states: Sequence[RunState] = (), *, body: str = "") -> list[Run]:
        """See `RuntimeClient`."""
        wanted = [theirs for theirs, ours in STATES.items() if ours in states]

        def query() -> list[Any]:
            return self._client.list_workflows(
                status=wanted or None,
                name=body or None,
                sort_desc=True,
                load_input=False,
                load_output=False,
            )

        return [as_run(status) for status in await anyio.to_thread.run_sync(query)]


def as_run(status: Any) -> Run:
    """Translate DBOS's status of a workflow."""
    return Run(id=status.workflow_id, body=status.name, state=STATES[status.status])


async def outcome(handle: WorkflowHandleAsync[Json]) -> Json:
    """Wait for a workflow; translate its failure into this project's errors.

    Raises:
        CancelledWorkError: it was cancelled.
        AtosError: its body failed.
    """
    try:
        return await handle.get_result(polling_interval_sec=POLL_SECONDS)
    except dbos_error.DBOSAwaitedWorkflowCancelledError as error:
        message = f"{handle.workflow_id} was cancelled"
        raise CancelledWorkError(message) from error
    except AtosError:
        raise
    except Exception as error:
        raise from_wire(
            {"code": "internal", "message": f"{type(error).__name__}: {error}"}
        ) from error
