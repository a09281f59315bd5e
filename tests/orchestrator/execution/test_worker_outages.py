"""The worker as a process while its database is away: it lives on, and its goals end in success."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.execution.postgres_connection import ANSWER_SECONDS
from atos_protocol.settings import load_settings
from atos_protocol.versions import RUNNING
from doubles.house import House
from doubles.temporary_postgres import Postgres, temporary_postgres
from doubles.worker_harness import HostedWorker

pytestmark = pytest.mark.timeout(180)

PATIENCE = 90.0
"""How long a goal may take on a busy machine."""


def first_task_runs(house: House) -> None:
    house.until(lambda view: any(task.state == "running" for task in view.tasks), seconds=PATIENCE)


def succeeded(house: House, worker: HostedWorker) -> bool:
    house.until(lambda view: view.state == "success", seconds=PATIENCE)
    return worker.process.poll() is None


@pytest.fixture
def house(atos_home: Path) -> Iterator[House]:
    opened = House()
    yield opened
    opened.close()


@pytest.fixture
def small_disk(atos_home: Path) -> Iterator[Path]:
    """A disk of 4 MiB for the database alone."""
    settings = load_settings()
    settings.prepare()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(settings.state)]
    if os.getuid() or subprocess.run(mount, check=False, timeout=20).returncode:
        pytest.skip("nothing can be mounted here")
    yield settings.state
    subprocess.run(["umount", "-l", str(settings.state)], check=True, timeout=20)


async def test_a_database_that_was_moved_away_in_mid_goal_costs_time_and_nothing_else(
    house: House,
) -> None:
    await house.submit()
    file = load_settings().state / "atos.sqlite"
    with HostedWorker(house.log, DOUBLE_SECONDS="1") as worker:
        first_task_runs(house)
        file.rename(file.with_name("elsewhere"))
        away = worker.until(op="database", state="degraded")
        await anyio.sleep(3)
        made_anew = file.exists()
        file.with_name("elsewhere").rename(file)
        back = worker.until(op="database", state="ok")
        alive = succeeded(house, worker)

    assert "is gone" in away["why"]
    assert back["since"] == 0
    assert (made_anew, alive) == (False, True)


async def test_a_full_disk_strands_no_goal(small_disk: Path, house: House) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_SECONDS="1") as worker:
        first_task_runs(house)
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError):  # the worker may have taken some of it meanwhile
            ballast.write_bytes(b"x" * shutil.disk_usage(small_disk).free)
        away = worker.until(op="database", state="degraded")
        await anyio.sleep(3)
        ballast.unlink()
        alive = succeeded(house, worker)

    assert "disk" in away["why"]
    assert alive


async def test_a_worker_that_finds_no_database_waits_for_it(house: House) -> None:
    await house.submit()
    file = load_settings().state / "atos.sqlite"
    good = file.read_bytes()
    for path in file.parent.glob("atos.sqlite*"):
        path.rename(path.with_name(f"kept-{path.name}"))
    file.write_bytes(b"a letter" * 1000)
    with HostedWorker(house.log) as worker:
        told = worker.until(op="database")
        letter = file.read_bytes()
        file.unlink()
        for path in file.parent.glob("kept-*"):
            path.rename(path.with_name(path.name.removeprefix("kept-")))
        ready = worker.until(op="ready")
        alive = succeeded(house, worker)

    assert good[:6] == b"SQLite"
    assert "not a database" in told["why"]
    assert letter == b"a letter" * 1000
    assert (ready, alive) == ({"op": "ready", "version": RUNNING}, True)


async def test_a_worker_that_waits_for_its_database_ends_with_its_host(atos_home: Path) -> None:
    settings = load_settings()
    settings.prepare()
    (settings.state / "atos.sqlite").write_bytes(b"a letter" * 1000)
    with HostedWorker(settings.logs / "worker.log") as worker:
        worker.until(op="database")
        worker.hang_up()
        code = worker.process.wait(10)

    assert code == 0


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch, atos_home: Path) -> Iterator[Postgres]:
    """A server of its own, because it is stopped."""
    with temporary_postgres() as server:
        monkeypatch.setenv("ATOS_DATABASE_URL", server.new_database())
        yield server


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.long)])
async def test_a_server_that_is_away_ends_neither_worker_nor_goal(
    postgres: Postgres, house: House, seconds: float
) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_SECONDS="1") as worker:
        first_task_runs(house)
        postgres.stop()
        away = worker.until(op="database", state="degraded")
        await anyio.sleep(seconds)
        postgres.start()
        begun = time.monotonic()
        back = worker.until(op="database", state="ok")
        took = time.monotonic() - begun
        alive = succeeded(house, worker)

    assert away["state"] == "degraded"
    assert back["why"] == ""
    assert took < 10
    assert alive
    assert house.events.count("g1", "goal_finished") == 1


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_server_that_hangs_ends_neither_worker_nor_goal(
    postgres: Postgres, house: House
) -> None:
    await house.submit()
    with HostedWorker(house.log, DOUBLE_SECONDS="1") as worker:
        first_task_runs(house)
        postgres.pause()
        away = worker.until(ANSWER_SECONDS + 30, op="database", state="degraded")
        postgres.go_on()
        begun = time.monotonic()
        worker.until(op="database", state="ok")
        took = time.monotonic() - begun
        alive = succeeded(house, worker)

    assert "the server" in away["why"]
    assert took < 10
    assert alive
    assert house.events.count("g1", "goal_finished") == 1


async def test_a_server_that_is_restarted_five_times_in_mid_goal_loses_nothing(
    postgres: Postgres, house: House
) -> None:
    goals = [f"g{number}" for number in range(3)]
    for goal in goals:
        await house.submit(goal)
    with HostedWorker(house.log, DOUBLE_SECONDS="2") as worker:
        house.until(lambda view: view.state == "running", goal="g0", seconds=PATIENCE)
        for _ in range(5):
            postgres.stop()
            postgres.start()
            await anyio.sleep(0.7)
        ended = [
            house.until(lambda view: view.state == "success", goal=goal, seconds=PATIENCE).state
            for goal in goals
        ]
        alive = worker.process.poll() is None
        finished = [house.events.count(goal, "goal_finished") for goal in goals]

    assert ended == ["success"] * 3
    assert finished == [1] * 3
    assert alive
