"""The worker as a process: killed, cancelled, left alone. Models and sandbox are doubles."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.execution.goal_input import GOAL
from atos_protocol.settings import load_settings
from atos_protocol.versions import RUNNING
from doubles.house import House
from doubles.marked_processes import alive
from doubles.worker_harness import HostedWorker

pytestmark = pytest.mark.timeout(90)
READY = {"op": "ready", "version": RUNNING}


@pytest.fixture
def house(atos_home: Path) -> House:
    return House()


def git(repository: str, *command: str) -> str:
    done = ["git", "-C", repository, *command]
    return subprocess.run(done, capture_output=True, text=True, check=True).stdout


def effects(repository: str) -> list[str]:
    """The effect keys of all commits, each as often as it occurs."""
    return sorted(git(repository, "log", "--format=%(trailers:key=Atos-Effect,valueonly)").split())


def tree(repository: str) -> str:
    return git(repository, "rev-parse", "HEAD^{tree}").strip()


# every named point is a place where `make test-chaos` kills
@pytest.mark.parametrize(
    "point",
    ["task.commit.after", pytest.param("goal.integrate.after", marks=pytest.mark.long)],
)
async def test_killed_at_a_crash_point_the_goal_ends_with_the_same_tree(
    house: House, point: str
) -> None:
    await house.submit()
    with HostedWorker(house.log, ATOS_CRASHPOINT=point) as first:
        first.process.wait(30)
    with HostedWorker(house.log, ATOS_CRASHPOINT=point) as second:
        killed = house.until(lambda view: view.state == "success")
        await house.submit("g2")
        unharmed = house.until(lambda view: view.state == "success", goal="g2")
        second.hang_up()
        second.process.wait(5)

    assert first.process.returncode == -9
    assert {task.state for task in killed.tasks} == {"done"}
    assert effects(killed.repository) == [
        f"g1:{effect}" for effect in ("T1", "T2", "T3", "record", "scaffold")
    ]
    assert tree(killed.repository) == tree(unharmed.repository)
    assert git(killed.repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("goal.intake.after", marks=pytest.mark.long),
        "task.commit.after",
        pytest.param("goal.record.after", marks=pytest.mark.long),
    ],
)
async def test_killed_after_an_answer_nothing_of_it_is_lost_and_nothing_is_done_twice(
    house: House, point: str
) -> None:
    await house.submit()
    asks = {"DOUBLE_ASKS": "T1", "DOUBLE_SECONDS": "0"}
    with HostedWorker(house.log, **asks) as worker:
        house.until(lambda view: view.state == "needs_help")
        # Its record is written after the last event: only then has it ended.
        await house.client.result("g1")
        worker.process.kill()
        worker.process.wait()
    await house.steering.answer("g1", "T1", "1")
    with HostedWorker(house.log, ATOS_CRASHPOINT=point, **asks) as killed:
        killed.process.wait(30)
    with HostedWorker(house.log, ATOS_CRASHPOINT=point, **asks):
        ended = house.until(lambda view: view.state == "success")

    assert killed.process.returncode == -9
    assert {task.state for task in ended.tasks} == {"done"}
    assert house.events.count("g1", "goal_finished") == 2
    assert effects(ended.repository) == [
        "g1.r2:record", "g1:T1", "g1:T2", "g1:T3", "g1:record", "g1:scaffold",
    ]  # fmt: skip


async def test_cancelling_ends_the_newest_run(house: House) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_ASKS="T1", DOUBLE_SECONDS="0") as worker:
        house.until(lambda view: view.state == "needs_help")
        await house.client.result("g1")
        worker.hang_up()
        worker.process.wait(5)
    await house.steering.answer("g1", "T1", "1")
    with HostedWorker(house.log, DOUBLE_CHILD="1") as worker:
        house.until(lambda _: house.events.count("g1", "warning") == 1)
        children = [e.data["pid"] for e in house.events.read("g1") if e.kind == "warning"]
        worker.tell(op="cancel", goal="g1")
        await all_gone(children)
        runs = {run.id: run.state for run in await house.client.list(body=GOAL)}

    assert not any(alive(pid) for pid in children)
    assert runs == {"g1": "success", "g1.r2": "cancelled"}


async def all_gone(pids: list[int]) -> None:
    for _ in range(500):
        if not any(alive(pid) for pid in pids):
            return
        await anyio.sleep(0.01)


async def test_cancelling_ends_everything_within_a_second(house: House) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_CHILD="1") as worker:
        house.until(lambda _: house.events.count("g1", "warning") == 2)
        children = [e.data["pid"] for e in house.events.read("g1") if e.kind == "warning"]
        begun = time.monotonic()
        await house.client.cancel("g1")
        house.events.append("g1", "goal_finished", {"state": "cancelled"}, key="end")
        worker.tell(op="cancel", goal="g1")
        await all_gone(children)
        took = time.monotonic() - begun
        worker.hang_up()
        worker.process.wait(5)

    assert len(children) == 2
    assert took < 1.0
    assert not (load_settings().home / "worktrees" / "g1").exists()
    assert "Traceback" not in house.log.read_text()


async def test_a_worker_begins_no_more_goals_than_the_setting_says(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOS_GOALS_AT_ONCE", "1")
    for goal in ("g1", "g2", "g3"):
        await house.submit(goal)
    with HostedWorker(house.log):
        for goal in ("g1", "g2", "g3"):
            house.until(lambda view: view.state == "success", goal=goal)
    begun = {
        (event.kind, goal): event.seq
        for goal in ("g1", "g2", "g3")
        for event in house.events.read(goal)
        if event.kind in {"goal_started", "goal_finished"}
    }
    assert [key for key, _ in sorted(begun.items(), key=lambda item: item[1])] == [
        (kind, goal) for goal in ("g1", "g2", "g3") for kind in ("goal_started", "goal_finished")
    ]


@pytest.mark.parametrize("how", [HostedWorker.hang_up, HostedWorker.end_by_signal])
async def test_a_worker_ends_with_its_host_or_on_a_signal_and_leaves_no_child(
    house: House, how: Callable[[HostedWorker], None]
) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_CHILD="1") as worker:
        house.until(lambda _: house.events.count("g1", "warning") == 2)
        begun = time.monotonic()
        how(worker)
        code = worker.process.wait(5)
        took = time.monotonic() - begun
    children = [e.data["pid"] for e in house.events.read("g1") if e.kind == "warning"]

    assert code == 0
    assert took < 5  # 1.5 by design; the machine may be busy
    assert not any(alive(pid) for pid in children)
    assert house.view().state == "running"


async def test_a_goal_whose_run_was_abandoned_is_recorded_as_ended(house: House) -> None:
    await house.submit()
    await house.client.cancel("g1")
    with HostedWorker(house.log) as worker:
        ready = worker.hear()

    assert ready == READY
    assert house.view().state == "cancelled"
    assert "without a goal_finished event" in house.log.read_text()


async def test_the_host_hears_when_the_worker_is_ready_and_of_every_event(house: House) -> None:
    with HostedWorker(house.log) as worker:
        ready = worker.hear()
        await house.submit()
        last = house.until(lambda view: view.state == "success").seq
        event = worker.until(op="event", seq=last)

    assert ready == READY
    assert event == {"op": "event", "goal": "g1", "seq": last}


async def test_a_second_worker_waits_for_the_first_one_to_end(house: House) -> None:
    with HostedWorker(house.log) as first:
        assert first.hear() == READY
        with HostedWorker(house.log) as second:
            with pytest.raises(TimeoutError):
                second.hear(3)
            first.hang_up()
            ready = second.until(op="ready")

    assert ready == READY
