"""Which errors of the drivers are faults of the database, and which are answers."""

import sqlite3

import psycopg
import psycopg.errors
import pytest

from atos_orchestrator.execution.database_faults import NO_TABLES, fault_of


def sqlite_error(code: int, text: str = "words") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "why", "corrupt"),
    [
        (5, "another process keeps it locked (words)", False),
        (
            517,
            "another process keeps it locked (words)",
            False,
        ),  # BUSY_SNAPSHOT: the low byte counts
        (8, "it is read-only (words)", False),
        (778, "the disk fails: input/output error (words)", False),  # IOERR_WRITE
        (13, "the disk is full (words)", False),
        (14, "its file can't be opened (words)", False),
        (11, "its file is damaged (words)", True),
        (26, "its file is not a database (words)", True),
    ],
)
def test_what_sqlite_can_not_do_is_a_fault(code: int, why: str, corrupt: bool) -> None:
    fault = fault_of(sqlite_error(code))

    assert fault is not None
    assert (fault.why, fault.corrupt) == (why, corrupt)


@pytest.mark.parametrize("code", [1, 4, 19, 20])
def test_what_sqlite_answers_is_none(code: int) -> None:
    assert fault_of(sqlite_error(code, "UNIQUE constraint failed")) is None


def test_missing_tables_are_a_fault_in_both_drivers() -> None:
    gone = sqlite_error(1, "no such table: atos_events")

    assert fault_of(psycopg.errors.UndefinedTable()) == NO_TABLES
    assert (fault := fault_of(gone)) is not None
    assert fault.why == "its tables are missing (no such table: atos_events)"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (psycopg.OperationalError("connection refused"), "the server can't be reached (connection refused)"),
        (psycopg.InterfaceError("the connection is closed"), "the server can't be reached (the connection is closed)"),
        (psycopg.errors.AdminShutdown("x"), "the server is shutting down or starting (x)"),
        (psycopg.errors.DiskFull("x"), "the server's disk is full (x)"),
        (psycopg.errors.TooManyConnections("x"), "the server is out of memory or connections (x)"),
        (psycopg.errors.ReadOnlySqlTransaction("x"), "the server accepts no writes now (x)"),
        (psycopg.errors.QueryCanceled("x"), "the server ended a statement that took too long (x)"),
        (psycopg.errors.LockNotAvailable("x"), "another session keeps a table locked (x)"),
        (psycopg.errors.InvalidCatalogName("x"), "the server has no such database (x)"),
    ],
)  # fmt: skip
def test_what_a_server_can_not_do_is_a_fault(error: psycopg.Error, why: str) -> None:
    fault = fault_of(error)

    assert fault is not None
    assert fault.why == why


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UniqueViolation(),
        psycopg.errors.SerializationFailure(),
        psycopg.errors.DeadlockDetected(),
        ValueError("no error of a driver"),
        None,
    ],
)
def test_what_a_server_answers_is_none(error: Exception | None) -> None:
    assert fault_of(error) is None
