"""The durable runtime's library in memory: what `tests/orchestrator/execution/test_dbos_contract.py` states of it.

`DbosRuntime` and `DbosClient` are the real ones; they meet this where they would meet DBOS.
"""

import asyncio  # noqa: TID251  # bodies are tasks of it, as the library has them
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from dbos import error as dbos_error

from atos_orchestrator.execution import queue_threads
from atos_orchestrator.execution.dbos_client import GOALS, QUEUES, Body, Run
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.step_errors import class_of
from atos_orchestrator.ports import Json
from atos_protocol.errors import UnreachableError
from doubles.simulation.machine import PROCESS, Machine, machine
from doubles.simulation.story import MID_CANCEL
from doubles.simulation.tables import ENDED, RunRow, Tables


@dataclass(eq=False)
class Claim:
    """One execution of a run's body."""

    row: RunRow
    owner: int
    task: "asyncio.Task[Any] | None" = None
    number: int = 0
    in_step: bool = False
    preempted: bool = False
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Keys of the events that the present step has told."""

    def next(self) -> int:
        self.number += 1
        return self.number


CLAIM: ContextVar[Claim | None] = ContextVar("claim", default=None)
RUN_ID: ContextVar[str] = ContextVar("run_id", default="")
_PREEMPT_SECONDS = 1.0


async def _recorded(
    name: str, work: Callable[[], Awaitable[Any]], *, preemptible: bool = False
) -> Any:
    """Run a step of the current run and record what it returns; a recorded one is not run again."""
    here, claim = machine(), CLAIM.get()
    assert claim is not None
    number = claim.next()
    await here.committed("step.begin", lambda: _begun(here, claim))
    if number in claim.row.steps:
        known, value = claim.row.steps[number]
        if known != name:
            here.violated("replay_asks_the_same", f"{claim.row.workflow_id} {known} -> {name}")
        return json.loads(value)
    claim.told.clear()
    claim.in_step = preemptible
    try:
        value = await work()
    except asyncio.CancelledError:
        if claim.preempted:
            raise dbos_error.DBOSWorkflowCancelledError(claim.row.workflow_id) from None
        raise
    finally:
        claim.in_step = False
    await here.committed("step.record", lambda: _record(here, claim, number, name, value))
    return json.loads(json.dumps(value))


def _begun(here: Machine, claim: Claim) -> None:
    if claim.row.status == "CANCELLED":
        raise dbos_error.DBOSWorkflowCancelledError(claim.row.workflow_id)


def _record(here: Machine, claim: Claim, number: int, name: str, value: Any) -> None:
    here.tables.own(claim.row, claim.owner)
    if lost := [key for key in claim.told if key not in here.tables.keys]:
        here.violated("recorded_steps_have_their_events", f"{claim.row.workflow_id} {name} {lost}")
    if code := _code_of(value):
        here.note(f"{claim.row.workflow_id} {name} records the error {code}")
        if class_of(code) == "transient" and code != "engine":
            how = f"{claim.row.workflow_id} {name} {code}"
            here.violated("trouble_of_the_machine_is_never_recorded", how)
    claim.row.steps[number] = (name, json.dumps(value))


def _code_of(value: Any) -> str:
    """Return the code of the error that a step records; empty where it records a result."""
    if not isinstance(value, dict) or "error" not in value:
        return ""
    return str(cast("Json", value)["error"]["code"])


@dataclass(frozen=True)
class Handle:
    """A run, for whoever waits for it."""

    workflow_id: str

    async def get_result(self, *, polling_interval_sec: float = 1.0) -> Any:
        """Wait for the run; the errors are the library's."""
        await _until_one_ended([self.workflow_id])
        row = machine().tables.runs[self.workflow_id]
        if row.status == "SUCCESS":
            return json.loads(row.output)
        if row.status == "CANCELLED":
            raise dbos_error.DBOSAwaitedWorkflowCancelledError(row.workflow_id)
        raise dbos_error.DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded(row.workflow_id)


async def _until_one_ended(runs: Sequence[str]) -> str:
    """Return one of those that have ended, whichever the chance says."""
    here = machine()
    rows = here.tables.runs
    while True:
        await here.takes("poll")
        await here.up.wait()
        if ended := [run for run in runs if run in rows and rows[run].status in ENDED]:
            return here.chance.pick("first", ended)
        await changed(here.tables)


async def changed(tables: Tables) -> None:
    """Wait until a run ends or an event is appended."""
    happened = asyncio.Event()
    tables.changed.append(happened.set)
    try:
        await happened.wait()
    finally:
        tables.changed.remove(happened.set)


class SetWorkflowID:
    """Names the run that is queued inside."""

    def __init__(self, run: str) -> None:
        self._run = run

    def __enter__(self) -> None:
        RUN_ID.set(self._run)

    def __exit__(self, *_: object) -> None:
        RUN_ID.set("")


class Library:
    """Stands in for `DBOS` inside of bodies."""

    @property
    def workflow_id(self) -> str | None:
        claim = CLAIM.get()
        return claim.row.workflow_id if claim else None

    async def run_step_async(
        self, options: Mapping[str, Any], work: Callable[[], Awaitable[Any]]
    ) -> Any:
        return await _recorded(options["name"], work, preemptible=options["preemptible"])

    async def enqueue_workflow_async(self, queue: str, body: Any, argument: Json) -> None:
        claim, run, here = CLAIM.get(), RUN_ID.get(), machine()
        assert claim is not None

        async def queued() -> Json:
            row = claim.row
            await here.up.wait()  # as the library, which waits for a database that is away
            here.tables.own(row, claim.owner)
            here.tables.submit(body.name, run, argument, queue, parent=row.workflow_id)
            return {}

        await _recorded(f"enqueue {run}", queued)

    async def retrieve_workflow_async(self, run: str, existing_workflow: bool = True) -> Handle:
        return Handle(run)

    async def wait_first_async(
        self, handles: Sequence[Handle], *, polling_interval_sec: float
    ) -> Handle:
        async def first() -> str:
            return await _until_one_ended([handle.workflow_id for handle in handles])

        return Handle(await _recorded("wait", first))


class Status(NamedTuple):
    """How a run stands."""

    workflow_id: str
    name: str
    status: str
    executor_id: str | None
    recovery_attempts: int


async def forget_starts(_client: Any, runs: Collection[Run], *, only_last: bool = False) -> None:
    """Count these as begun once, or once less; the real one changes the library's table."""
    here = machine()

    def forgotten() -> None:
        here.tables.check()
        for run in runs:
            if (row := here.tables.runs[run.id]).status == "PENDING":
                row.starts = row.starts - 1 if only_last else 1

    await here.in_thread(forgotten)


class LibraryClient:
    """Stands in for `DBOSClient`: what any process may do with runs."""

    def __init__(self, *, system_database_engine: Tables, **_: Any) -> None:
        self._tables = system_database_engine
        self._sys_db = self

    def list_workflows(
        self, *, workflow_ids: list[str] | None, status: list[str] | None, **_: Any
    ) -> list["Status"]:
        self._tables.check()
        return [
            Status(row.workflow_id, row.name, row.status, row.executor_id, row.starts)
            for row in reversed(self._tables.runs.values())
            if (not workflow_ids or row.workflow_id in workflow_ids)
            and (not status or row.status in status)
        ]

    def reenqueue_for_recovery(self, run: str, executors: list[str], _queue: str) -> bool:
        return self._tables.requeue(run, executors)

    async def cancel_workflow_async(self, run: str, *, cancel_children: bool) -> None:
        here = machine()
        await here.in_thread(self._tables.cancel, run)
        here.point(MID_CANCEL)

    async def retrieve_workflow_async(self, run: str) -> Handle:
        await machine().takes("retrieve")
        return Handle(run)


@dataclass(frozen=True)
class _Marked:
    """A body that the library knows by its name."""

    name: str
    run: Callable[[Json], Awaitable[Json]]


class Runtime(DbosRuntime):
    """The real runtime, but for the threads that take runs from the queues."""

    def __init__(self, tables: Any, *, name: str, starts: int, goals_at_once: int) -> None:
        super().__init__(tables, name=name, goals_at_once=goals_at_once)
        self._at_once = goals_at_once
        self.idle: Callable[[], int] = lambda: 0
        """How many goals more than that may begin, because so many are paused."""
        self._tables: Tables = tables
        self._bells = {queue: asyncio.Event() for queue in QUEUES}
        self.claims: list[Claim] = []
        self.executor = replace(self.executor, id=f"{name}#{starts}")
        self.wake = self._ring

    @asynccontextmanager
    async def worker(self, bodies: Mapping[str, Body]) -> AsyncGenerator[None]:
        """Execute queued runs of these bodies while the context lasts."""
        for name, body in bodies.items():
            self._bodies[name] = _Marked(name, self._tracked(body))  # type: ignore[assignment]
        await self._recover_patiently()
        process = PROCESS.get()
        self._tables.ending = self._preempt
        for queue in QUEUES:
            process.start(self._take(queue))
        yield

    async def _recover_patiently(self) -> None:
        """Recover as the real one does, whose engine waits for a database that is away."""
        while True:
            await machine().up.wait()
            with suppress(UnreachableError):
                return await self._recover()

    async def _take(self, queue: str) -> None:
        here = machine()

        def claim() -> list[RunRow]:
            most = self._at_once + self.idle() if queue == GOALS else None
            return self._tables.claim(queue, self.executor.id, most)

        while True:
            taken = await here.committed("take", claim)
            for row in taken:
                if here.chance.number("lost body") < 0.01:
                    here.note(f"{row.workflow_id} is claimed, and its body lost")
                else:
                    here.note(f"{row.workflow_id} begins, owner {row.owner}")
                    PROCESS.get().start(self._execute(Claim(row, row.owner)))
            await self._rung(self._bells[queue])

    def _ring(self) -> None:
        for bell in self._bells.values():
            bell.set()

    async def _rung(self, bell: asyncio.Event) -> None:
        pause = queue_threads.BUSY_SECONDS if self._tasks else queue_threads.IDLE_SECONDS
        timer = asyncio.get_running_loop().call_later(pause, bell.set)
        try:
            await bell.wait()
        finally:
            timer.cancel()
        bell.clear()

    async def _execute(self, claim: Claim) -> None:
        here, row = machine(), claim.row
        CLAIM.set(claim)
        claim.task = asyncio.current_task()
        self.claims.append(claim)
        status = "SUCCESS"
        try:
            try:
                output: Any = await self._bodies[row.name].run(json.loads(row.argument))  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - the library records whatever a body raises
                here.violated("bodies_never_fail", f"{row.workflow_id} {error!r}")
                status, output = "ERROR", {}
            await here.committed(
                "finish", lambda: here.tables.finish(row, claim.owner, status, output)
            )
        except (dbos_error.DBOSWorkflowCancelledError, dbos_error.DBOSWorkflowConflictIDError):
            here.note(f"{row.workflow_id} is no longer owned by {claim.owner}")
        finally:
            self.claims.remove(claim)

    def _preempt(self, row: RunRow) -> None:
        """End the step of a run that was cancelled, at the library's next poll."""
        for claim in self.claims:
            if claim.row is row and row.status == "CANCELLED":
                asyncio.get_running_loop().call_later(_PREEMPT_SECONDS, _end_step, claim)


def _end_step(claim: Claim) -> None:
    if claim.in_step and claim.task is not None:
        claim.preempted = True
        claim.task.cancel()
