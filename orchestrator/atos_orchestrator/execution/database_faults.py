"""Which of a driver's errors mean that the database can't be used, in words: a table for each driver.

Everything else (a constraint, a syntax error, a deadlock that the runtime repeats by itself) is an answer of a
database that works, and stays the caller's.
"""

from __future__ import annotations

from typing import Any

import psycopg

from atos_orchestrator.execution.database_health import Fault

RESTORE = (
    "Run `atos-client down`, restore the file from a backup (without -wal and -shm), and start again; "
    "or move it away to start without its goals."
)

SQLITE: dict[int, Fault] = {
    5: Fault("another process keeps it locked", "End the program that holds it open."),
    6: Fault("another connection keeps it locked"),
    7: Fault("there is no memory for it"),
    8: Fault("it is read-only", "Make the file and its folder writable."),
    10: Fault("the disk fails: input/output error", "Look at the disk, and at its free space."),
    11: Fault("its file is damaged", RESTORE, corrupt=True),
    13: Fault("the disk is full", "Free some room on it."),
    14: Fault("its file can't be opened", "Look at the folder's rights, and at the disk."),
    15: Fault("another process keeps it locked"),
    23: Fault("access to it is refused"),
    26: Fault("its file is not a database", RESTORE, corrupt=True),
}
"""Primary result code -> fault."""

POSTGRES: dict[str, Fault] = {
    "08": Fault("the connection to the server is lost"),
    "25006": Fault("the server accepts no writes now"),
    "25P03": Fault("the server ended a transaction that was idle for too long"),
    "28": Fault("the server refuses this user", "Correct ATOS_DATABASE_URL."),
    "3D": Fault("the server has no such database", "Restore it, or correct ATOS_DATABASE_URL."),
    "53100": Fault("the server's disk is full", "Free some room on it."),
    "53": Fault("the server is out of memory or connections"),
    "55P03": Fault("another session keeps a table locked", "End the session that holds the lock."),
    "57014": Fault("the server ended a statement that took too long"),
    "57": Fault("the server is shutting down or starting"),
    "58": Fault("the server's disk fails"),
    "XX": Fault("the server reports damage", "See the server's log.", corrupt=True),
}
"""SQLSTATE, or its class -> fault; the longest entry counts."""

NO_TABLES = Fault(
    "its tables are missing",
    "Restore it from a backup; or run `atos-client down` and start again to go on without its goals.",
)


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the fault that a driver's error stands for; None where the database works."""
    if isinstance(error, psycopg.Error):
        return _postgres_fault(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & 0xFF == 1:
        return _said(NO_TABLES, error) if "no such table" in str(error) else None
    fault = SQLITE.get(code & 0xFF)
    return fault and _said(fault, error)


def _postgres_fault(error: psycopg.Error) -> Fault | None:
    state = error.sqlstate or ""
    if state == "42P01":
        return NO_TABLES
    for length in (5, 2):
        if fault := POSTGRES.get(state[:length] if state else ""):
            return _said(fault, error)
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    if lost and not state:  # refused, timed out, closed: these carry no state
        return _said(Fault("the server can't be reached", "Start that server."), error)
    return None


def _said(fault: Fault, error: Any) -> Fault:
    """Add the driver's own words, in one line."""
    words = " ".join(str(error).split())[:200]
    return Fault(f"{fault.why} ({words})" if words else fault.why, fault.todo, fault.corrupt)
