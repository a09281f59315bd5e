"""The goals database of one process: an SQLite file or Postgres, with its engines and its health.

SQLite is the default and needs care:

* WAL, so that readers never wait for a writer; `synchronous=NORMAL`, because a process that is
  killed loses nothing with it, and only a power cut may lose the last commits (never consistency).
* IMMEDIATE transactions and a busy time-out: two processes write to the file (host and worker), and
  a deferred transaction that becomes a writer fails at once instead of waiting.
* DBOS stamps rows by `unixepoch('subsec')`, which SQLite knows since 3.42; Debian 12 ships 3.40 and
  Ubuntu 22.04 3.37. There `pysqlite3` (a newer SQLite in a wheel) is used, and where it has no wheel
  (Linux on ARM) the connections of the standard library get that one function from this module.

On Postgres every wait has an end (`TIMEOUTS`, `postgres_connection`): a server that hangs, or a network that swallows packets, is
a fault like one that refuses. What becomes of faults: `database_health`.
"""

from __future__ import annotations

import importlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from atos_orchestrator.execution.database_faults import fault_of
from atos_orchestrator.execution.database_health import (
    DatabaseFaultError,
    DatabaseHealth,
    Fault,
)
from atos_orchestrator.execution.guarded_engine import GuardedPool, guard
from atos_orchestrator.execution.postgres_connection import use_answered_connections
from atos_orchestrator.execution.sqlite_file import PROBE_STATEMENTS, SqliteFile
from atos_protocol.errors import BadConfigError, UnreachableError
from atos_protocol.settings import Settings

SUBSECOND_UNIXEPOCH = (3, 42, 0)
BUSY_MILLISECONDS = 5_000
"""How long a statement waits for another writer; then the lock is an outage, which is waited for elsewhere."""
POOL_SIZE = 10
POOL_OVERFLOW = 20
TABLES = ("atos_events", "dbos_migrations", "workflow_status")
"""Tables by which a database is known as ours."""

TIMEOUTS: dict[str, int | str] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c statement_timeout=30s -c lock_timeout=10s "
    "-c idle_in_transaction_session_timeout=30s",
}
"""Of Postgres connections, in libpq's words; what the URL says itself stays."""


def database_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL of the goals database: as configured, or the file below `state`."""
    if not settings.database_url:
        return f"sqlite:///{settings.state / 'atos.sqlite'}"
    url = sa.make_url(settings.database_url)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def sqlite_module(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> ModuleType:
    """Return the DB-API module to open SQLite files with, given the standard library's version."""
    if version >= SUBSECOND_UNIXEPOCH:
        return sqlite3
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3


def _unixepoch(*args: Any) -> float | int:
    """Answer `unixepoch()`, `unixepoch('now')` and `unixepoch('subsec')` as SQLite 3.42 does."""
    now = time.time()
    return now if args and args[-1] in {"subsec", "subsecond"} else int(now)


class Database:
    """The goals database, opened; its engines share one health.

    Attributes:
        engine: refuses at once while the database is away.
        patient: makes its callers wait then; for the durable runtime's threads.
        health: whether it can be used.

    Args:
        settings: name the database; the file is created if missing.
        module: the DB-API module for SQLite, for tests of the fall-back.

    Raises:
        BadConfigError: `database_url` is not a usable URL.
        UnreachableError: it can't be opened, or is somebody else's.
    """

    def __init__(self, settings: Settings, module: ModuleType | None = None) -> None:
        self._settings = settings
        self._module = module or sqlite_module()
        self._file: SqliteFile | None = None
        self._prepare: list[Callable[[], None]] = []
        try:
            self._open(database_url(settings))
        except (ArgumentError, ImportError) as error:
            message = f"ATOS_DATABASE_URL does not name a usable database: {error}"
            step = "Write postgresql://user@host/name, or remove it to use a SQLite file."
            raise BadConfigError(message, next_step=step) from error

    def prepare(self, call: Callable[[], None]) -> None:
        """Bring something of the database up to date: now, and whenever it was replaced by another."""
        call()
        self._prepare.append(call)

    async def watch(self) -> None:
        """Keep the health true until cancelled."""
        if self._file is not None and (fault := await to_thread.run_sync(self._file.hold)):
            self.health.report(fault)
        await self.health.watch(self._probe)

    def dispose(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()
        self.patient.dispose()

    def _open(self, url: str) -> None:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
            self._settings.prepare()
            self._file = SqliteFile(Path(str(parsed.database)), self._module, TABLES)
        self.health = DatabaseHealth(self._file.inspect if self._file else lambda: None)
        self.engine = self._engine(parsed, patient=False)
        self.patient = self._engine(parsed, patient=True)
        try:
            if self._file is not None:
                self._file.check(create=True)
            with self.engine.connect():
                pass
        except Exception as error:  # each driver has its own classes
            self.dispose()
            raise self._cannot_open(parsed, error) from error

    def _engine(self, url: sa.URL, *, patient: bool) -> sa.Engine:
        options: dict[str, Any] = {
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_OVERFLOW,
            "poolclass": GuardedPool,
        }
        if url.get_backend_name() == "sqlite":
            if self._file is not None:
                options["creator"] = self._file.connect
            engine = sa.create_engine(url, module=self._module, **options)
            _tune(engine, patch=self._module.sqlite_version_info < SUBSECOND_UNIXEPOCH)
        else:
            engine = sa.create_engine(_bounded(url), pool_pre_ping=True, **options)
            if "options" not in url.query and engine.dialect.driver == "psycopg":
                use_answered_connections(engine)
        guard(engine, self.health, patient=patient)
        return engine

    def _cannot_open(self, url: sa.URL, error: Exception) -> UnreachableError:
        why = getattr(error, "orig", None) or error.__cause__ or error
        why = getattr(why, "orig", None) or why
        message = f"the goals database {url.render_as_string()} can't be opened: {why}"
        step = "Restore the file from a backup, or move it away to start without its goals."
        if self._settings.database_url:
            step = "Start that database, or remove ATOS_DATABASE_URL to use a SQLite file."
        return UnreachableError(message, next_step=step)

    def _probe(self) -> None:
        """Use the database; where it was replaced, drop what is open and bring it up to date."""
        fault = self.health.fault
        damaged = fault is not None and fault.corrupt
        if self._file is not None:
            replaced = self._file.probe(damaged=damaged)
        else:
            replaced = _probe_server(self.engine.url)
        if replaced:
            self.dispose()
            for call in self._prepare:
                call()


def open_database(settings: Settings, module: ModuleType | None = None) -> sa.Engine:
    """Open the goals database for a process that does not watch it; see `Database`.

    Raises:
        BadConfigError: `database_url` is not a usable URL.
        UnreachableError: it can't be opened.
    """
    return Database(settings, module).engine


def _bounded(url: sa.URL) -> sa.URL:
    """Return a Postgres URL whose connections wait for nothing without end."""
    if not url.drivername.startswith("postgresql"):
        return url
    missing = {name: str(value) for name, value in TIMEOUTS.items() if name not in url.query}
    return url.update_query_dict(missing)


def _probe_server(url: sa.URL) -> bool:
    """Write to a server and read from it, over a connection of its own; it is never another one.

    Raises:
        DatabaseFaultError: it can't be used.
    """
    engine = sa.create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT 1 FROM atos_events LIMIT 1")
            for statement in PROBE_STATEMENTS:
                connection.exec_driver_sql(statement)
    except Exception as error:
        driver = getattr(error, "orig", None) or error
        raise DatabaseFaultError(fault_of(driver) or Fault(str(driver))) from error
    return False


def _tune(engine: sa.Engine, *, patch: bool) -> None:
    """Set up every new SQLite connection of this engine."""

    def connected(connection: Any, _record: Any) -> None:
        if patch:
            connection.create_function("unixepoch", -1, _unixepoch)
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        # It takes effect before the first table only (see database_space), and on a file that has one it waits
        # for whoever writes: a connection that only reads must not.
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", connected)
