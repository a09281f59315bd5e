"""Which runs and goals are put right, when, and that nothing else is touched."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS, TASKS, Run, RunState
from atos_orchestrator.execution.dbos_runtime import DbosRuntime, Executor
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_cancelling import CANCELLED
from atos_orchestrator.execution.goal_input import GOAL, TASK, finished_key
from atos_orchestrator.execution.reconciler import (
    MISSING,
    Findings,
    Reconciler,
    Seen,
    findings,
)
from atos_orchestrator.ports import Json
from atos_protocol.settings import load_settings

pytestmark = pytest.mark.timeout(60)

ME = Executor("box:/home", "box:/home#2", frozenset)


def running(run: str, executor: str) -> Run:
    return Run(run, GOAL, "running", executor)


def test_earlier_workers_runs_and_bodiless_ones_are_found_and_those_of_others_are_not() -> None:
    pending = (
        running("mine", "box:/home#2"),
        running("lost", "box:/home#2"),
        running("dead", "box:/home#1"),
        running("elsewhere", "other:/home#1"),
        running("namesake", "box:/home2#1"),
    )
    seen = Seen(pending, ME, {"mine"}, {}, {})

    assert findings(seen) == Findings(dead=frozenset({pending[2]}), lost=frozenset({pending[1]}))


def test_tasks_of_goals_that_have_ended_or_go_on_as_another_run_are_nobodys() -> None:
    pending = (
        running("a:T1", "box:/home#1"),
        running("b:T1", "box:/home#2"),
        running("b.r2:T1", "box:/home#1"),
        running("c:T1", "other:/home#1"),
    )
    seen = Seen(pending, ME, {"b:T1"}, {"b": 2}, {"b.r2": "running"})

    assert findings(seen) == Findings(
        dead=frozenset({pending[2]}), orphans=frozenset({pending[0], pending[1]})
    )


def test_earlier_workers_are_known_where_the_path_of_the_home_contains_the_sign() -> None:
    me = Executor("box:/home/C#/atos", "box:/home/C#/atos#2", frozenset)

    assert me.succeeds("box:/home/C#/atos#1")
    assert not me.succeeds("box:/home/C#2")


def test_a_goal_is_ended_when_its_newest_run_has_ended_or_is_missing() -> None:
    unfinished = {"a": 1, "b": 2, "c": 1, "d": 1, "e": 1}
    states: dict[str, RunState] = {
        "a": "running", "b": "success", "b.r2": "error", "c": "queued", "d": "cancelled",
    }  # fmt: skip
    seen = Seen((), ME, (), unfinished, states)

    assert findings(seen).ended == {("b", 2, "error"), ("d", 1, "cancelled"), ("e", 1, "")}


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_only_what_two_looks_saw_is_put_right_and_the_dead_at_once(
    first: set[str], second: set[str]
) -> None:
    def looked(names: set[str]) -> Findings:
        runs = frozenset(running(name, ME.id) for name in names)
        return Findings(runs, runs, frozenset((name, 1, "error") for name in names), runs)

    confirmed = looked(second).confirmed_by(looked(first))

    assert {run.id for run in confirmed.dead} == second
    assert {run.id for run in confirmed.lost} == first & second
    assert {run.id for run in confirmed.orphans} == first & second
    assert {goal for goal, _, _ in confirmed.ended} == first & second


class Ground:
    """A runtime and its reconciler on a fresh database."""

    def __init__(self) -> None:
        self.engine = open_database(load_settings())
        self.events = EventStore(self.engine)
        self.events.create()
        self.runtime = DbosRuntime(self.engine)
        self.runtime.prepare()
        self.reconciler = Reconciler(self.runtime, self.events, lambda: self.runtime.executor)
        self.calls: list[str] = []

    async def body(self, argument: Json) -> Json:
        self.calls.append(argument["run"])
        return {"state": "success"}

    async def submit(self, goal: str, task: str = "") -> None:
        self.events.append(goal, "goal_submitted", {}, key="submitted")
        await self.runtime.submit(GOAL, goal, {"run": goal}, queue=GOALS)
        if task:
            run = f"{goal}:{task}"
            await self.runtime.submit(TASK, run, {"run": run}, queue=TASKS)

    def claim(self, run: str, executor: str, starts: int = 1) -> None:
        """Have an executor claim a run and lose it, as DBOS does when its next write fails."""
        statement = sa.text(
            "UPDATE workflow_status SET status='PENDING', executor_id=:e, recovery_attempts=:s"
            " WHERE workflow_uuid=:r"
        )
        with self.engine.begin() as connection:
            connection.execute(statement, {"e": executor, "r": run, "s": starts})

    def told(self, goal: str) -> list[str]:
        return [e.kind for e in self.events.read(goal)]

    async def states(self) -> dict[str, str]:
        return {run.id: run.state for run in await self.runtime.list()}

    def ended(self, goal: str) -> list[tuple[str, str]]:
        events = [e for e in self.events.read(goal) if e.kind == "goal_finished"]
        return [(e.data["state"], e.data["summary"]) for e in events]


@pytest.fixture
def ground(atos_home: Path) -> Iterator[Ground]:
    made = Ground()
    yield made
    made.engine.dispose()


async def test_a_run_that_the_runtime_lost_is_executed_after_the_second_look(
    ground: Ground,
) -> None:
    await ground.submit("g1")
    async with ground.runtime.worker({"nothing": ground.body}):
        pass
    ground.claim("g1", ground.runtime.executor.id)
    await ground.reconciler.look()
    once = await ground.states()
    await ground.reconciler.look()
    twice = await ground.states()
    async with ground.runtime.worker({GOAL: ground.body}):
        result = await ground.runtime.result("g1")

    assert once == {"g1": "running"}
    assert twice == {"g1": "queued"}
    assert (result, ground.calls) == ({"state": "success"}, ["g1"])


async def test_a_run_whose_body_executes_is_left_alone_until_its_outcome_is_recorded(
    ground: Ground,
) -> None:
    begun, go = anyio.Event(), anyio.Event()

    async def slow(argument: Json) -> Json:
        ground.calls.append(argument["run"])
        begun.set()
        await go.wait()
        return {"state": "success"}

    await ground.submit("g1")
    async with ground.runtime.worker({GOAL: slow}):
        await begun.wait()
        for _ in range(3):
            await ground.reconciler.look()
        bodies = ground.runtime.executor.bodies()
        go.set()
        await ground.runtime.result("g1")

    assert bodies == {"g1"}
    assert ground.calls == ["g1"]
    assert ground.runtime.executor.bodies() == frozenset()


async def test_a_goal_without_a_live_run_is_ended_once_and_says_why(ground: Ground) -> None:
    await ground.submit("cancelled")
    await ground.runtime.cancel("cancelled")
    ground.events.append("missing", "goal_submitted", {}, key="submitted")
    await ground.submit("queued")
    for _ in range(3):
        await ground.reconciler.look()

    assert ground.ended("cancelled") == [("cancelled", CANCELLED)]
    assert ground.ended("missing") == [("failed", MISSING)]
    assert ground.ended("queued") == []


async def test_a_run_that_was_cancelled_meanwhile_is_not_revived(ground: Ground) -> None:
    await ground.submit("g1")
    ground.claim("g1", ground.runtime.executor.id)
    (run,) = await ground.runtime.list()
    await ground.runtime.cancel("g1")

    assert not await ground.runtime.requeue(run)
    assert await ground.states() == {"g1": "cancelled"}


async def test_at_start_what_an_earlier_worker_left_needs_no_second_look(ground: Ground) -> None:
    await ground.submit("g1")
    ground.claim("g1", "worker#earlier")
    await ground.submit("g2")
    await ground.runtime.cancel("g2")

    await ground.reconciler.at_start()

    assert await ground.states() == {"g1": "queued", "g2": "cancelled"}
    assert ground.ended("g2") == [("cancelled", CANCELLED)]


async def test_goals_whose_workers_died_often_are_taken_up_one_at_a_time(ground: Ground) -> None:
    for goal in ("g1", "g2", "g3"):
        await ground.submit(goal)
    ground.claim("g1", "worker#earlier", starts=5)
    ground.claim("g2", "worker#earlier", starts=6)
    ground.claim("g3", "worker#earlier", starts=2)

    await ground.reconciler.at_start()
    await ground.reconciler.look()
    one_alone = await ground.states()
    async with ground.runtime.worker({GOAL: ground.body}):
        await ground.runtime.result("g2")
        ground.events.append("g2", "goal_finished", {"state": "success"}, key=finished_key(1))
        await ground.reconciler.look()
        await ground.runtime.result("g1")

    assert one_alone == {"g1": "running", "g2": "queued", "g3": "queued"}
    assert ground.told("g1") == ["goal_submitted", "waiting", "announcement"]
    assert ground.told("g2") == ["goal_submitted", "announcement", "goal_finished"]
    assert ground.told("g3") == ["goal_submitted"]


async def test_starts_of_what_lives_on_are_forgotten(ground: Ground) -> None:
    await ground.submit("g1")
    ground.claim("g1", ground.runtime.executor.id, starts=9)
    (run,) = await ground.runtime.list()

    await ground.runtime.forget_starts([run])

    assert [(run.starts, each.starts) for each in await ground.runtime.list()] == [(9, 1)]


async def test_a_lost_body_takes_back_its_own_start_and_no_other(ground: Ground) -> None:
    await ground.submit("g1")
    ground.claim("g1", ground.runtime.executor.id, starts=9)

    for _ in range(2):
        await ground.reconciler.look()

    (run,) = await ground.runtime.list()
    assert (run.state, run.starts) == ("queued", 8)


async def test_the_tasks_of_an_abandoned_goal_are_cancelled_when_it_has_ended(
    ground: Ground,
) -> None:
    await ground.submit("g1", task="T1")
    await ground.submit("g2", task="T1")
    for goal in ("g1", "g2"):
        ground.claim(f"{goal}:T1", "worker#earlier", starts=2)
    ground.events.append("g1", "goal_finished", {"state": "failed"}, key=finished_key(1))

    await ground.reconciler.look()
    once = await ground.states()
    await ground.reconciler.look()

    assert (once["g1:T1"], once["g2:T1"]) == ("running", "queued")
    assert (await ground.states())["g1:T1"] == "cancelled"
