"""Opening the goals database, and what is said when that fails."""

import sqlite3
from pathlib import Path

import pytest

from atos_orchestrator.execution.database import database_url, open_database, sqlite_module
from atos_protocol.errors import BadConfigError, UnreachableError
from atos_protocol.settings import load_settings


def test_the_default_is_a_file_in_wal_mode_below_the_home(atos_home: Path) -> None:
    engine = open_database(load_settings())
    with engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        stamp = connection.exec_driver_sql("SELECT unixepoch('subsec')").scalar()
    engine.dispose()

    assert (atos_home / "state" / "atos.sqlite").exists()
    assert mode == "wal"
    assert isinstance(stamp, float)


def test_an_old_sqlite_gets_the_one_function_that_it_lacks(atos_home: Path) -> None:
    engine = open_database(load_settings(), module=sqlite3)
    with engine.connect() as connection:
        fine = connection.exec_driver_sql("SELECT unixepoch('subsec')").scalar()
        whole = connection.exec_driver_sql("SELECT unixepoch()").scalar()
    engine.dispose()

    assert isinstance(fine, float)
    assert isinstance(whole, int)
    assert abs(fine - whole) <= 1


def test_a_new_enough_sqlite_is_used_as_it_is() -> None:
    assert sqlite_module((3, 42, 0)) is sqlite3


def test_an_old_sqlite_is_replaced_where_a_newer_one_is_installed() -> None:
    pytest.importorskip("pysqlite3")

    assert sqlite_module((3, 40, 1)).sqlite_version_info >= (3, 42, 0)


def test_postgres_is_named_as_people_name_it(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOS_DATABASE_URL", "postgresql://me:secret@db/goals")

    assert database_url(load_settings()) == "postgresql+psycopg://me:secret@db/goals"


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://x"])
def test_what_is_no_database_url_is_said(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ATOS_DATABASE_URL", url)

    with pytest.raises(BadConfigError, match="ATOS_DATABASE_URL"):
        open_database(load_settings())


def test_a_server_that_does_not_answer_is_said_without_its_password(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/goals?connect_timeout=2"
    monkeypatch.setenv("ATOS_DATABASE_URL", url)

    with pytest.raises(UnreachableError) as refused:
        open_database(load_settings())

    shown = "postgresql+psycopg://***@127.0.0.1:1/goals?connect_timeout=2"
    assert f"the goals database {shown} can't be opened" in refused.value.message
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_said_and_left_alone(atos_home: Path) -> None:
    settings = load_settings()
    settings.prepare()
    file = settings.state / "atos.sqlite"
    file.write_text("this is no database, but somebody's text" * 100)

    with pytest.raises(UnreachableError, match="can't be opened: file is not a database"):
        open_database(settings)

    assert file.read_text().startswith("this is no database")
