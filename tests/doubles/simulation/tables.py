"""The database of the simulated machine: runs with their recorded steps, and events. Every call is one transaction.

It can be away (`check`), and whoever does not own a run can't commit for it, as the library promises.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dbos import error as dbos_error

from atos_orchestrator.execution.dbos_runtime import MOST_STARTS
from atos_protocol.errors import UnreachableError
from atos_protocol.goals import Event

ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


@dataclass(slots=True)
class RunRow:
    """A run, as the library stores it."""

    workflow_id: str
    name: str
    queue: str
    argument: str
    place: int
    number: int
    parent: str = ""
    status: str = "ENQUEUED"
    executor_id: str | None = None
    owner: int = 0
    """Which claim owns it."""
    starts: int = 0
    output: str = ""
    steps: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])

    @property
    def order(self) -> tuple[int, int]:
        """Whoever has the lowest is taken first."""
        return self.place, self.number


@dataclass(frozen=True, slots=True)
class NewRow:
    """An event without a number."""

    goal: str
    task: str | None
    kind: str
    at: float
    data: str
    key: str


class Tables:
    """Runs and events, and whether they can be reached."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.events: list[Event] = []
        self.of_goal: dict[str, list[Event]] = {}
        self.keys: set[tuple[str, str]] = set()
        self.away = False
        self.claims: list[tuple[str, tuple[str, ...]]] = []
        """Which runs were taken, and who else of that queue went on waiting."""
        self.changed: list[Callable[[], object]] = []
        """Called after a run has ended or an event was appended."""
        self.ending: Callable[[RunRow], object] = lambda run: run

    def check(self) -> None:
        """Fail while the database is away.

        Raises:
            UnreachableError: it is.
        """
        if self.away:
            message = "the goals database is away"
            raise UnreachableError(message)

    # Events

    def append(self, rows: Iterable[Any]) -> list[int]:
        """Add events once per key; return their numbers, 0 for those that are there."""
        self.check()
        numbers = [self._append(row) for row in rows]
        self._notify()
        return numbers

    def _append(self, row: Any) -> int:
        if (row.goal, row.key) in self.keys:
            return 0
        self.keys.add((row.goal, row.key))
        event = Event(
            len(self.events) + 1, row.goal, row.task or "", row.kind, row.at, json.loads(row.data)
        )
        self.events.append(event)
        self.of_goal.setdefault(row.goal, []).append(event)
        return event.seq

    # Runs

    def submit(
        self, body: str, run: str, argument: Any, queue: str, place: int = 0, parent: str = ""
    ) -> None:
        """Queue a run; one that is known stays as it is."""
        self.check()
        if run not in self.runs:
            number = len(self.runs)
            self.runs[run] = RunRow(run, body, queue, json.dumps(argument), place, number, parent)

    def claim(self, queue: str, executor: str, most: int | None) -> list[RunRow]:
        """Give queued runs to an executor, which may have so many of this queue at once."""
        self.check()
        queued = [r for r in self.runs.values() if r.queue == queue and r.status == "ENQUEUED"]
        waiting = sorted(queued, key=lambda run: run.order)
        if most is not None:
            mine = sum(
                r.queue == queue and r.status == "PENDING" and r.executor_id == executor
                for r in self.runs.values()
            )
            waiting = waiting[: max(0, most - mine)]
        taken: list[RunRow] = []
        for run in waiting:
            run.starts += 1
            if run.starts > MOST_STARTS:
                self._end(run, "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "")
                self._notify()
                continue
            run.status, run.executor_id, run.owner = "PENDING", executor, run.owner + 1
            self.claims.append(
                (
                    run.workflow_id,
                    tuple(each.workflow_id for each in queued if each.status == "ENQUEUED"),
                )
            )
            taken.append(run)
        return taken

    def requeue(self, run: str, executors: list[str]) -> bool:
        """Return a run to its queue if one of these executors still has it."""
        self.check()
        row = self.runs[run]
        if row.status != "PENDING" or row.executor_id not in executors:
            return False
        row.status, row.owner = "ENQUEUED", row.owner + 1  # its body can commit nothing any more
        return True

    def cancel(self, run: str) -> None:
        """Cancel a run and its children; what has ended stays."""
        self.check()
        for row in [r for r in self.runs.values() if run in (r.workflow_id, r.parent)]:
            if row.status not in ENDED:
                self._end(row, "CANCELLED", "")
        self._notify()

    def finish(self, run: RunRow, owner: int, status: str, output: Any) -> None:
        """Record how a run ended, if it is still this claim's."""
        self.own(run, owner)
        self._end(run, status, json.dumps(output))
        self._notify()

    def own(self, run: RunRow, owner: int) -> None:
        """Fail where a claim no longer owns its run.

        Raises:
            DBOSWorkflowCancelledError: it was cancelled.
            DBOSWorkflowConflictIDError: somebody else has it.
        """
        if run.status == "CANCELLED":
            raise dbos_error.DBOSWorkflowCancelledError(run.workflow_id)
        if run.owner != owner or run.status != "PENDING":
            raise dbos_error.DBOSWorkflowConflictIDError(run.workflow_id)

    def _end(self, run: RunRow, status: str, output: str) -> None:
        run.status, run.output = status, output
        self.ending(run)

    def _notify(self) -> None:
        for call in list(self.changed):
            call()
