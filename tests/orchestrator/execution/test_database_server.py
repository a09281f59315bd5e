"""Faults of a real Postgres server: noticed, told, waited for, and over when they are over."""

import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
import sqlalchemy as sa

from atos_orchestrator.execution import database_health, postgres_connection
from atos_orchestrator.execution.database import Database
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goals import Goals, open_goals
from atos_orchestrator.execution.home_claim import claim
from atos_protocol.errors import UnreachableError
from atos_protocol.settings import load_settings
from doubles.eventually import eventually
from doubles.temporary_postgres import Postgres, temporary_postgres

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with temporary_postgres() as running:
        yield running


@pytest.fixture
def url(server: Postgres, atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(database_health, "PROBE_SECONDS", 0.1)
    made = server.new_database()
    monkeypatch.setenv("ATOS_DATABASE_URL", made)
    return made


@contextmanager
def stopped(server: Postgres, url: str) -> Generator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def read_only(server: Postgres, url: str) -> Generator[None]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        yield
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def paused(server: Postgres, url: str) -> Generator[None]:
    server.pause()
    try:
        yield
    finally:
        server.go_on()


@asynccontextmanager
async def watched() -> AsyncGenerator[tuple[Database, EventStore]]:
    database = await anyio.to_thread.run_sync(Database, load_settings())
    events = EventStore(database.engine)
    await anyio.to_thread.run_sync(database.prepare, events.create)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.watch)
        await eventually(lambda: database.health.watched)
        yield database, events
        tasks.cancel_scope.cancel()
    database.dispose()


def append(events: EventStore, key: str) -> int:
    return events.append("g1", "warning", {}, key=key)


async def refusal(events: EventStore) -> str:
    """Append until it is refused: a setting reaches a server's sessions in its own time."""
    for number in range(500):
        try:
            await anyio.to_thread.run_sync(append, events, f"try {number}")
        except UnreachableError as error:
            return str(error)
        await anyio.sleep(0.02)
    return "never refused"


@pytest.mark.parametrize(
    ("fault", "said"),
    [(stopped, "server"), (read_only, "accepts no writes now"), (paused, "can't be reached")],
)
async def test_a_server_that_is_away_refuses_calls_makes_the_patient_wait_and_is_well_afterwards(
    server: Postgres, url: str, fault: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "ANSWER_SECONDS", 3.0)
    done = threading.Event()

    def patiently(database: Database) -> None:
        with database.patient.begin() as connection:
            text = (
                "INSERT INTO atos_events (goal, kind, at, data, key) VALUES ('g1','k',1,'{}','p')"
            )
            connection.execute(sa.text(text))
        done.set()

    async with watched() as (database, events):
        with fault(server, url):
            refused = await refusal(events)
            waiting = threading.Thread(target=patiently, args=(database,))
            waiting.start()
            probed = database.health.probes + 2
            await eventually(lambda: database.health.probes >= probed, 30)
            early = done.is_set()
        await eventually(done.is_set, 30)
        waiting.join()
        await eventually(lambda: database.health.fault is None, 30)
        appended = await anyio.to_thread.run_sync(append, events, "after")

    assert "the goals database is away since" in refused
    assert said in refused
    assert "secret" not in refused
    assert not early
    assert appended > 0


async def test_a_database_that_was_dropped_is_not_made_anew(server: Postgres, url: str) -> None:
    parsed = sa.make_url(url)
    other = parsed.set(database="postgres").render_as_string(hide_password=False)
    async with watched() as (database, events):
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {parsed.database} WITH (FORCE)".encode())
            refused = await refusal(events)
            probed = database.health.probes + 2
            await eventually(lambda: database.health.probes >= probed, 30)
            query = "SELECT count(*) FROM pg_database WHERE datname = %s"
            found = connection.execute(query, [parsed.database]).fetchone()

    assert "is away since" in refused
    assert found == (0,)


def test_a_server_that_does_not_answer_is_an_outage_and_one_that_answers_slowly_is_not(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "ANSWER_SECONDS", 1.0)
    database = Database(load_settings())
    with database.engine.connect() as connection:
        slow = connection.exec_driver_sql("SELECT 1 FROM pg_sleep(0.5)").scalar()
    with (
        pytest.raises(UnreachableError, match="has not answered for 1 s"),
        database.engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(20)")
    with database.engine.connect() as connection:
        again = connection.exec_driver_sql("SELECT 1").scalar()
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        list(driver.notifies(timeout=1.5))
    database.dispose()

    assert (slow, again) == (1, 1)


async def test_every_wait_for_the_server_has_an_end_and_the_urls_own_words_count(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(database: Database) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        with database.engine.connect() as connection:
            return [str(connection.exec_driver_sql(f"SHOW {n}").scalar()) for n in names]

    bounded = Database(load_settings())
    ours = shown(bounded)
    bounded.dispose()
    monkeypatch.setenv("ATOS_DATABASE_URL", f"{url}&options=-c%20statement_timeout%3D7s")
    chosen = Database(load_settings())
    theirs = shown(chosen)
    chosen.dispose()

    assert ours == ["30s", "10s", "30s"]
    assert theirs == ["7s", "0", "0"]
    assert bounded.engine.url.query["tcp_user_timeout"] == "15000"


def test_a_database_on_a_server_belongs_to_the_home_that_used_it_first(url: str) -> None:
    database = Database(load_settings())
    for _ in range(2):
        claim(database.engine, "first")

    with pytest.raises(
        UnreachableError, match="belongs to the home first; this one is later"
    ) as no:
        claim(database.engine, "later")

    assert "DELETE FROM atos_home" in no.value.next_step
    database.dispose()


def test_of_homes_that_come_at_the_same_moment_one_gets_the_database(url: str) -> None:
    database = Database(load_settings())
    together = threading.Barrier(12)

    def owner(name: str) -> str:
        together.wait()
        try:
            claim(database.engine, name)
        except UnreachableError as error:
            return error.message.partition(" belongs to the home ")[2].partition(";")[0]
        return name

    with ThreadPoolExecutor(12) as threads:
        owners = set(threads.map(owner, [f"home{n % 3}" for n in range(12)]))
    database.dispose()

    assert len(owners) == 1


class Patience:
    """Whoever waits for an event here gets none."""

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        return False


async def ignored(message: dict[str, Any]) -> None:
    """No worker is there."""


async def test_a_second_home_starts_no_goal_in_the_database_of_the_first(
    url: str, tmp_path: Path
) -> None:
    async def opened(home: Path) -> Goals:
        settings = replace(load_settings(), home=home)
        settings.prepare()
        return await open_goals(settings, ignored, Patience())

    first = await opened(tmp_path / "first")
    with pytest.raises(UnreachableError, match="two homes would execute each other's goals"):
        await opened(tmp_path / "second")
    again = await opened(tmp_path / "first")

    for goals in (first, again):
        goals.database.dispose()
