"""The reconciler: finds runs that nobody executes and goals that nobody will end, and puts both right.

    run PENDING under a dead executor of this worker's name    -> queued again, at once or in its turn (`probation`)
    run PENDING under this executor, without a body here       -> queued again
    goal unfinished by its events, its newest run has ended    -> `goal_finished` is appended
    goal unfinished by its events, without any run             -> likewise
    task's run PENDING, and its goal's run is another or none  -> cancelled
    goal paused or resumed, and the word of it was lost        -> its steps wait, or go on

The second kind is what DBOS loses when a write of its own fails after it has claimed a run, and what met trouble of
the machine between two steps (`step_errors.is_trouble_between_steps`). A task without its goal is what an abandoned goal leaves. Except for the first
(the worker holds the lock of its name, so earlier ones are dead), everything is in doubt for a moment while
it is begun or ended properly. So it is put right only when two looks in succession saw it, and an outage
of the database begins the count anew. Being wrong costs a repetition, never a result: DBOS refuses the commits
of whoever does not own a run, and a goal's last event has one key.

A look reads the pending runs, what is new among the events, and the states of unfinished goals' newest runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread

from atos_orchestrator.execution.dbos_client import DbosClient, Run, RunState, parent, root
from atos_orchestrator.execution.dbos_runtime import Executor
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_cancelling import CANCELLED
from atos_orchestrator.execution.goal_input import event_key, finished_key, run_of
from atos_orchestrator.execution.probation import Probation, alone_seconds, suspects

EVERY_SECONDS = 3.0
"""Pause between two looks while there is work; two of them settle a case."""
IDLE_SECONDS = 30.0
"""The same at other times: what gets lost then is lost with a process, and the one that follows it looks at once."""
ABANDONED = "Abandoned: its worker died too often while executing it. See logs/worker.log."
MISSING = "The database has no run of it any more, perhaps because it was restored from a backup."
SUMMARIES = {"": MISSING, "cancelled": CANCELLED, "success": "Its own summary was lost."}
"""How the run ended -> what is said of the goal, where the last word of its own is missing."""

log = logging.getLogger(__name__)

Ended = tuple[str, int, str]
"""A goal that has no live run, the number of its newest run, and how that ended ("" where there is none)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look sees."""

    pending: tuple[Run, ...]
    executor: Executor
    bodies: Collection[str]
    """Runs whose bodies are executing in this process."""
    unfinished: Mapping[str, int]
    states: Mapping[str, RunState]
    """How the newest runs of unfinished goals stand."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong in it."""

    dead: frozenset[Run] = frozenset()
    lost: frozenset[Run] = frozenset()
    ended: frozenset[Ended] = frozenset()
    orphans: frozenset[Run] = frozenset()
    """Runs of tasks whose goal has ended or goes on as another run."""

    def confirmed_by(self, earlier: Findings) -> Findings:
        """Return what an earlier look saw too; what is dead needs no second look."""
        return Findings(
            self.dead,
            self.lost & earlier.lost,
            self.ended & earlier.ended,
            self.orphans & earlier.orphans,
        )


def findings(seen: Seen) -> Findings:
    """Judge what a look has seen."""
    mine = seen.executor
    dead = {run for run in seen.pending if mine.succeeds(run.executor)}
    here = {run for run in seen.pending if run.executor == mine.id}
    newest = {run_of(goal, n): (goal, n) for goal, n in seen.unfinished.items()}
    states: dict[str, str] = dict(seen.states)
    ended = {
        (*newest[run], state)
        for run in newest
        if (state := states.get(run, "")) not in {"queued", "running"}
    }
    lost = {run for run in here if run.id not in seen.bodies}
    orphans = {run for run in dead | here if ":" in run.id and parent(run.id) not in newest}
    return Findings(
        frozenset(dead - orphans), frozenset(lost - orphans), frozenset(ended), frozenset(orphans)
    )


class Reconciler:
    """Looks at start, every few seconds, and when the database is back.

    Args:
        client: of a prompt engine, so that an outage is an error here.
        events: likewise.
        executing: returns who executes in this process.
        wake: has the queues looked at, because something was returned to them.
        hold: told which goals are paused, at every look.
    """

    def __init__(
        self,
        client: DbosClient,
        events: EventStore,
        executing: Callable[[], Executor],
        wake: Callable[[], object] = lambda: None,
        hold: Callable[[Collection[str]], object] = lambda _paused: None,
    ) -> None:
        self._client = client
        self._events = events
        self._executing = executing
        self._wake = wake
        self._hold = hold
        self._before = Findings()
        self._probation = Probation()
        self._told = set[tuple[str, int]]()
        """Goals that were told to wait for their turn, after so many starts."""

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            UnreachableError: the database is away.
        """
        self._before = Findings()
        while True:
            busy = await self.look()
            await anyio.sleep(EVERY_SECONDS if busy else IDLE_SECONDS)

    async def at_start(self) -> None:
        """Put right what earlier workers left, before this one executes anything."""
        seen = await self._see()
        found = findings(seen)
        dead = await self._in_turn(seen, found.dead)
        await self._put_right(replace(found, dead=dead, lost=frozenset()))

    async def look(self) -> bool:
        """Look once, and put right what the look before saw as well; return whether there is work."""
        seen = await self._see()
        found = findings(seen)
        confirmed, self._before = found.confirmed_by(self._before), found
        dead = await self._in_turn(seen, confirmed.dead)
        await self._put_right(replace(confirmed, dead=dead))
        executing = [run for run in seen.pending if run.id in seen.bodies]
        if proven := self._probation.proven(executing, anyio.current_time()):
            await self._client.forget_starts(proven)
        return bool(seen.pending or seen.unfinished)

    async def hold(self) -> None:
        """Have the steps of paused goals wait, and all others go on."""
        self._hold(await anyio.to_thread.run_sync(self._events.paused))

    async def _see(self) -> Seen:
        await self.hold()
        unfinished = await anyio.to_thread.run_sync(self._events.newest_runs)
        runs = [run_of(goal, revision) for goal, revision in unfinished.items()]
        newest = await self._client.list(ids=runs) if runs else []
        states: dict[str, RunState] = {run.id: run.state for run in newest}
        pending = tuple(await self._client.list(["running"]))
        executor = self._executing()
        return Seen(pending, executor, executor.bodies(), unfinished, states)

    async def _in_turn(self, seen: Seen, dead: Collection[Run]) -> frozenset[Run]:
        """Return the dead runs that may be queued again now; the goals of the others are told that they wait."""
        newest_first = [run for run in seen.pending if run in dead]
        admitted = self._probation.admitted(newest_first, seen.unfinished, anyio.current_time())
        free = {root(run.id) for run in admitted}
        self._told = {told for told in self._told if told[0] in seen.unfinished}
        for goal, starts in suspects(newest_first).items():
            if goal in seen.unfinished and (goal in free or (goal, starts) not in self._told):
                await self._tell(goal, seen.unfinished[goal], starts, goes_on=goal in free)
                self._told.add((goal, starts))
        return admitted

    async def _tell(self, goal: str, revision: int, starts: int, *, goes_on: bool) -> None:
        """Say that a goal waits for its turn, or that this has come."""
        died = f"the worker died {starts} times while executing it and perhaps others"
        kind, data = "waiting", {"for": f"its turn: {died}; they are tried one at a time"}
        if goes_on:
            alone = f"alone for up to {alone_seconds(starts):.0f} s"
            kind, data = "announcement", {"text": f"{died}; it is tried again, {alone}"}
        log.warning("goal %s: %s", goal, *data.values())
        key = event_key(revision, None, kind, f"probation:{starts}")
        append = self._events.append
        await anyio.to_thread.run_sync(lambda: append(goal, kind, data, key=key))

    async def _put_right(self, wrong: Findings) -> None:
        for run in sorted(wrong.orphans, key=lambda run: run.id):
            log.warning("run %s is cancelled: its goal has ended", run.id)
            await self._client.cancel(run.id)
        if wrong.lost:
            # No worker has died of them; those that had died before still count.
            await self._client.forget_starts(wrong.lost, only_last=True)
        for run in sorted(wrong.dead | wrong.lost, key=lambda run: run.id):
            if await self._client.requeue(run):
                whose = "an earlier worker" if run in wrong.dead else "this process"
                log.warning("run %s was left by %s and is queued again", run.id, whose)
                self._wake()
        for goal, revision, state in sorted(wrong.ended):
            await self._end(goal, revision, state)

    async def _end(self, goal: str, revision: int, state: str) -> None:
        """Append the last event of a goal whose run has ended without it."""
        said = "cancelled" if state == "cancelled" else "failed"
        if state == "success":
            record = await self._client.result(run_of(goal, revision))
            said = str(record["state"])
        summary = SUMMARIES.get(state, ABANDONED)
        log.warning(
            "goal %s: its run ended as %s without a goal_finished event", goal, state or "missing"
        )
        data = {"state": said, "summary": summary, "error": None}
        key = finished_key(revision)
        append = self._events.append
        await anyio.to_thread.run_sync(lambda: append(goal, "goal_finished", data, key=key))
