"""What becomes of faults of a real SQLite file: noticed, told, waited for, and over when they are over."""

import errno
import gc
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg.errors
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from atos_orchestrator.execution import database as database_module
from atos_orchestrator.execution import database_health
from atos_orchestrator.execution.database import Database, sqlite_module
from atos_orchestrator.execution.database_health import DatabaseHealth
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.guarded_engine import GuardedPool
from atos_protocol.errors import UnreachableError
from atos_protocol.settings import load_settings
from doubles.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes and waits that a test can wait for."""
    monkeypatch.setattr(database_health, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(database_health, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(database_module, "BUSY_MILLISECONDS", 100)


class Opened:
    """A database that is watched, with events in it."""

    def __init__(self) -> None:
        self.database = Database(load_settings())
        self.events = EventStore(self.database.engine)
        self.database.prepare(self.events.create)
        self.database.prepare(DbosClient(self.database.engine, retries=False).prepare)
        self.file = load_settings().state / "atos.sqlite"
        self.health = self.database.health

    def append(self, key: str) -> int:
        return self.events.append("g1", "warning", {}, key=key)

    def append_many(self) -> None:
        for number in range(200):
            self.append(f"{number}" + "x" * 4000)

    def patiently(self, key: str) -> None:
        """Write as the durable runtime does: on the engine that waits, in a thread."""
        statement = sa.text(
            "INSERT INTO atos_events (goal, kind, at, data, key) VALUES ('g1', 'warning', 1, '{}', :k)"
        )
        with self.database.patient.begin() as connection:
            connection.execute(statement, {"k": key})

    def keys(self) -> list[str]:
        with self.database.engine.connect() as connection:
            return list(
                connection.execute(sa.text("SELECT key FROM atos_events ORDER BY seq")).scalars()
            )

    async def until(self, state: str) -> None:
        await eventually(lambda: self.health.view().state == state, 20)

    async def probed(self, times: int = 3) -> None:
        """Wait until it was probed so often."""
        enough = self.health.probes + times
        await eventually(lambda: self.health.probes >= enough, 20)


@asynccontextmanager
async def opened() -> AsyncGenerator[Opened]:
    """Open and watch a database."""
    house = await anyio.to_thread.run_sync(Opened)
    house.append("before")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.database.watch)
        await eventually(lambda: house.health.watched, 20)
        yield house
        tasks.cancel_scope.cancel()
    house.database.dispose()


@contextmanager
def moved_away(file: Path) -> Generator[None]:
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    yield
    elsewhere.rename(file)


@contextmanager
def locked(file: Path) -> Generator[None]:
    with closing(sqlite_module().connect(str(file), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def overwritten_and_put_right(file: Path) -> Generator[None]:
    before = content(file)
    overwrite(file, LETTER)
    yield
    assert content(file) == LETTER
    overwrite(file, before)


LETTER = b"somebody's letter, which is no database. " * 400


def content(file: Path) -> bytes:
    """Read the file in another process: closing it here would drop this process's locks."""
    return subprocess.run(["cat", str(file)], check=True, capture_output=True, timeout=20).stdout


def overwrite(file: Path, text: bytes) -> None:
    """Write into the file, likewise."""
    subprocess.run(["dd", f"of={file}", "status=none"], input=text, check=True, timeout=20)


def fill(ballast: Path) -> None:
    """Take what is left of a disk."""
    room = shutil.disk_usage(ballast.parent).free
    ballast.write_bytes(b"x" * room)


FAULTS: list[tuple[Any, str]] = [
    (moved_away, "is gone"),
    (locked, "keeps it locked"),
    (overwritten_and_put_right, "not a database any more"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
async def test_while_it_is_away_calls_are_refused_with_the_reason_and_afterwards_all_is_well(
    atos_home: Path, fault: Any, said: str
) -> None:
    async with opened() as house:
        with fault(house.file):
            with pytest.raises(UnreachableError, match=said) as refused:
                await anyio.to_thread.run_sync(house.append, "meanwhile")
            state = house.health.view().state
            error = refused.value
        await house.until("ok")
        await anyio.to_thread.run_sync(house.append, "after")
        kept = house.keys()

    assert (error.retry, error.status, state) == (True, 503, "degraded")
    assert "Goals wait and nothing is lost" in error.next_step
    assert kept == ["before", "after"]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
async def test_whoever_is_patient_waits_and_then_succeeds(
    atos_home: Path, fault: Any, said: str
) -> None:
    async with opened() as house:
        with fault(house.file):
            with pytest.raises(UnreachableError, match=said):
                await anyio.to_thread.run_sync(house.append, "refused")
            waiting = threading.Thread(target=house.patiently, args=("patient",))
            waiting.start()
            await house.until("degraded")
            still = waiting.is_alive()
        await anyio.to_thread.run_sync(waiting.join, 20)
        kept = house.keys()

    assert still
    assert kept == ["before", "patient"]


async def test_a_file_that_was_overwritten_is_not_written_to_even_at_the_end(
    atos_home: Path,
) -> None:
    async with opened() as house:
        overwrite(house.file, LETTER)
        await house.until("degraded")
        with pytest.raises(UnreachableError, match="not a database any more"):
            await anyio.to_thread.run_sync(house.append, "meanwhile")
        file = house.file
    del house
    gc.collect()

    assert content(file) == LETTER


async def test_a_foreign_file_in_its_place_is_left_alone_and_the_right_one_is_taken_up_again(
    atos_home: Path,
) -> None:
    async with opened() as house:
        elsewhere = house.file.with_name("elsewhere")
        house.file.rename(elsewhere)
        house.file.write_bytes(b"a letter")
        await house.until("degraded")
        with pytest.raises(UnreachableError, match=r"another file|not a database"):
            await anyio.to_thread.run_sync(house.append, "meanwhile")
        await house.probed()
        letter = house.file.read_bytes()
        elsewhere.replace(house.file)
        await house.until("ok")
        await anyio.to_thread.run_sync(house.append, "after")
        kept = house.keys()

    assert letter == b"a letter"
    assert kept == ["before", "after"]


async def test_a_database_of_another_program_is_not_used(atos_home: Path) -> None:
    settings = load_settings()
    settings.prepare()
    file = settings.state / "atos.sqlite"
    with closing(sqlite_module().connect(str(file))) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()
    before = file.read_bytes()

    with pytest.raises(UnreachableError, match="a database of another program"):
        Database(settings)

    assert file.read_bytes() == before


async def test_a_backup_in_its_place_is_opened_anew_without_the_log_of_the_old_file(
    atos_home: Path,
) -> None:
    async with opened() as house:
        backup = house.file.with_name("backup")
        with house.database.engine.connect() as connection:
            connection.exec_driver_sql(f"VACUUM INTO '{backup}'")
        await anyio.to_thread.run_sync(house.append, "after the backup")
        backup.replace(house.file)
        await house.until("degraded")
        await house.until("ok")
        await anyio.to_thread.run_sync(house.append, "into the backup")
        kept = house.keys()
    with closing(sqlite_module().connect(str(house.file))) as connection:
        stored = [key for (key,) in connection.execute("SELECT key FROM atos_events ORDER BY seq")]

    assert kept == stored == ["before", "into the backup"]


async def test_a_deleted_file_is_not_made_anew_while_the_process_is_up(atos_home: Path) -> None:
    async with opened() as house:
        house.file.unlink()
        await house.until("degraded")
        with pytest.raises(UnreachableError, match="is gone"):
            await anyio.to_thread.run_sync(house.append, "meanwhile")
        await house.probed()
        there = house.file.exists()
        health = house.health.view()

    assert not there
    assert "Put it back" in health.todo


async def test_a_file_that_goes_away_between_the_look_and_its_opening_is_said_to_be_gone(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_health, "LOOK_SECONDS", 60)

    def looked_before(_self: DatabaseHealth, *, patient: bool) -> None:
        """The look of `enter`, a moment ago."""

    async with opened() as house:
        monkeypatch.setattr(DatabaseHealth, "enter", looked_before)
        house.database.engine.dispose()
        house.file.rename(house.file.with_name("elsewhere"))
        with pytest.raises(UnreachableError, match="is gone"):
            await anyio.to_thread.run_sync(house.append, "meanwhile")


def test_whoever_gets_no_connection_is_refused_as_if_it_were_away() -> None:
    def connection() -> Any:  # the driver's own class lacks what SQLAlchemy's protocol has
        return sqlite3.connect(":memory:")

    pool = GuardedPool(connection, pool_size=1, max_overflow=0, timeout=0.01)
    with closing(pool.connect()):
        with pytest.raises(UnreachableError, match="in use"):
            pool.connect()
        pool.patient = True
        with pytest.raises(PoolTimeoutError):  # which the durable runtime repeats
            pool.connect()


async def test_a_loop_that_trouble_of_the_machine_ends_goes_on_and_one_with_a_defect_ends() -> None:
    health = DatabaseHealth()
    deadlock = OperationalError("insert", {}, psycopg.errors.DeadlockDetected())
    troubles = [UnreachableError("away"), OSError(errno.EMFILE, "Too many open files"), deadlock]

    async def loop() -> None:
        if troubles:
            raise troubles.pop()

    async def broken() -> None:
        raise KeyError

    await health.through_outages(loop)
    assert troubles == []
    with pytest.raises(KeyError):
        await health.through_outages(broken)


@pytest.fixture
def small_disk(atos_home: Path) -> Iterator[Path]:
    """A disk of 2 MiB below the home's state."""
    state = load_settings().state
    load_settings().prepare()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)]
    if os.getuid() or subprocess.run(mount, check=False, timeout=20).returncode:
        pytest.skip("nothing can be mounted here")
    yield state
    subprocess.run(["umount", "-l", str(state)], check=True, timeout=20)


async def test_a_full_disk_is_waited_for(small_disk: Path) -> None:
    async with opened() as house:
        ballast = small_disk / "ballast"
        fill(ballast)
        with pytest.raises(UnreachableError, match=r"disk is full|disk fails"):
            await anyio.to_thread.run_sync(house.append_many)
        waiting = threading.Thread(target=house.patiently, args=("patient",))
        waiting.start()
        await house.probed()
        still = waiting.is_alive()
        ballast.unlink()
        await anyio.to_thread.run_sync(waiting.join, 20)
        await house.until("ok")
        kept = house.keys()

    assert still
    assert "patient" in kept
