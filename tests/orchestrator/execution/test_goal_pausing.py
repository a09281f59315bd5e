"""A person pauses a goal and has it go on: on the real runtime, database and git, and with the worker killed meanwhile."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.events import fold
from atos_orchestrator.plan import Plan
from atos_protocol.errors import ConflictError
from atos_protocol.goals import Event
from doubles.house import House
from doubles.steered_goal import goal, states, task
from doubles.worker_harness import HostedWorker
from doubles.workflow_deps_doubles import TimedWork

pytestmark = pytest.mark.timeout(300)

PLAN = Plan((task(1), task(2, "T1")))
PATIENCE = 80.0
"""How long a worker that has to start first is waited for."""


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        await anyio.sleep(0.01)
    raise AssertionError


def commits(repository: str) -> list[str]:
    command = ["git", "-C", repository, "log", "--format=%s", "main"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


async def test_while_a_goal_is_paused_nothing_works_for_it_and_then_it_goes_on_where_it_was(
    atos_home: Path,
) -> None:
    work = TimedWork(held_until={"T2": "nobody"})
    async with goal(work, PLAN) as told:
        await until(lambda: work.alive == {"T2"})
        paused = await told.pausing.pause("g1")
        await until(lambda: not work.alive)
        work.held_until = {}
        resumed = await told.pausing.resume("g1")
        ended = await told.until_ended()

    assert (paused.state, states(paused)) == ("paused", {"T1": "done", "T2": "running"})
    assert resumed.state == "running"
    assert (ended.state, states(ended)) == ("success", {"T1": "done", "T2": "done"})
    assert [seen.task.id for seen in work.seen] == ["T1", "T2"]
    assert commits(ended.repository) == [
        "Add the execution log", "Part 1", "Part 2", "Set up the repository",
    ]  # fmt: skip


async def test_a_paused_goal_can_be_cancelled(atos_home: Path) -> None:
    work = TimedWork(held_until={"T1": "nobody"})
    async with goal(work, PLAN) as told:
        await until(lambda: work.alive == {"T1"})
        await told.pausing.pause("g1")
        await until(lambda: told.deps.gate.held == 1)
        await told.deps.runtime.cancel("g1")
        told.deps.runtime.scopes.cancel("g1")
        await until(lambda: told.deps.gate.held == 0)
    assert not work.alive


async def test_a_goal_that_is_paused_before_it_is_planned_waits_for_approval_when_it_goes_on(
    atos_home: Path,
) -> None:
    work = TimedWork(held_until={"T1": "nobody"})
    async with goal(work, PLAN, paused=True, review=True) as told:
        await until(lambda: told.deps.gate.held == 1)
        paused = fold(told.deps.events.read("g1"))
        await told.pausing.resume("g1")
        waiting = await told.until_ended()
        for act in (told.pausing.pause, told.pausing.resume):
            with pytest.raises(ConflictError, match="ended as needs_help") as refused:
                await act("g1")
            assert refused.value.next_step.endswith("approved: atos-client approve g1")
        await told.steering.approve("g1", waiting.error["data"]["digest"])
        await until(lambda: work.alive == {"T1"})
        again = await told.pausing.pause("g1")
        await until(lambda: not work.alive)
        work.held_until = {}
        await told.pausing.resume("g1")
        ended = await told.until_ended("g1.r2")

    assert (paused.state, paused.tasks) == ("paused", ())
    assert (waiting.state, states(waiting)) == ("needs_help", {"T1": "pending", "T2": "pending"})
    assert (again.state, states(again)) == ("paused", {"T1": "running", "T2": "pending"})
    assert (ended.state, states(ended)) == ("success", {"T1": "done", "T2": "done"})


async def test_pausing_twice_is_pausing_once_and_so_is_resuming(atos_home: Path) -> None:
    house = House()
    house.events.append("g1", "goal_submitted", {"goal": "Do it"}, key="submitted")
    for act in (house.pausing.resume, house.pausing.pause, house.pausing.pause):
        await act("g1")
    await house.pausing.resume("g1")
    await house.pausing.resume("g1")
    again = await house.pausing.pause("g1")

    kinds = [event.kind for event in house.events.read("g1")]
    assert kinds == ["goal_submitted", "goal_paused", "goal_unpaused", "goal_paused"]
    assert again.state == "paused"
    assert house.events.paused() == {"g1"}


async def test_a_goal_that_has_ended_is_not_paused_and_says_what_to_do_instead(
    atos_home: Path,
) -> None:
    house = House()
    house.events.append("g1", "goal_submitted", {"goal": "Do it"}, key="submitted")
    house.events.append("g1", "goal_finished", {"state": "failed"}, key="end")

    with pytest.raises(ConflictError, match="ended as failed") as refused:
        await house.pausing.resume("g1")
    assert refused.value.next_step == "Try again what is not done: atos-client retry g1"
    with pytest.raises(ConflictError, match="it can't be paused"):
        await house.pausing.pause("g1")


async def test_the_seconds_of_a_pause_are_not_the_goals(atos_home: Path) -> None:
    kinds = [
        (1.0, "goal_submitted"), (2.0, "goal_started"), (5.0, "goal_paused"), (6.0, "warning"),
        (105.0, "goal_unpaused"), (107.0, "goal_paused"), (207.0, "goal_finished"),
    ]  # fmt: skip
    told = [
        Event(n, "g1", "", kind, at, {"state": "success"} if kind == "goal_finished" else {})
        for n, (at, kind) in enumerate(kinds, start=1)
    ]
    seen = [(fold(told[:n]).state, fold(told[:n]).seconds) for n in range(1, len(told) + 1)]

    assert seen == [
        ("queued", 0.0), ("planning", 1.0), ("paused", 4.0), ("paused", 4.0),
        ("planning", 4.0), ("paused", 6.0), ("success", 6.0),
    ]  # fmt: skip


async def test_a_pause_outlives_the_worker_and_takes_no_place_from_other_goals(
    atos_home: Path,
) -> None:
    house = House()
    await house.submit()
    alone = {"ATOS_GOALS_AT_ONCE": "1"}
    with HostedWorker(house.log, DOUBLE_SECONDS="60", **alone) as first:
        house.until(lambda view: "running" in states(view).values(), seconds=PATIENCE)
        await house.pausing.pause("g1")
        first.process.kill()
        first.process.wait()
    with HostedWorker(house.log, DOUBLE_SECONDS="0", **alone) as second:
        await house.submit("g2")
        house.until(lambda view: view.state == "success", goal="g2", seconds=PATIENCE)
        meanwhile = house.view()
        await house.pausing.resume("g1")
        second.tell(op="pauses", goal="g1")
        ended = house.until(lambda view: view.state == "success", seconds=PATIENCE)

    assert (meanwhile.state, "done" in states(meanwhile).values()) == ("paused", False)
    assert {each.state for each in ended.tasks} == {"done"}


async def test_a_pause_of_which_the_worker_was_not_told_is_found(atos_home: Path) -> None:
    house = House()
    await house.submit()
    with HostedWorker(house.log, DOUBLE_CHILD="1"):
        house.until(lambda _: house.events.count("g1", "warning") > 0, seconds=PATIENCE)
        children = [e.data["pid"] for e in house.events.read("g1") if e.kind == "warning"]
        await house.pausing.pause("g1")
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))

    assert house.view().state == "paused"
