"""The goals database: one SQLAlchemy engine per process, on an SQLite file or on Postgres.

SQLite is the default and needs care:

* WAL, so that readers never wait for a writer; `synchronous=NORMAL`, because a process that is
  killed loses nothing with it, and only a power cut may lose the last commits (never consistency).
* IMMEDIATE transactions and a busy time-out: two processes write to the file (host and worker), and
  a deferred transaction that becomes a writer fails at once instead of waiting.
* DBOS stamps rows by `unixepoch('subsec')`, which SQLite knows since 3.42; Debian 12 ships 3.40 and
  Ubuntu 22.04 3.37. There `pysqlite3` (a newer SQLite in a wheel) is used, and where it has no wheel
  (Linux on ARM) the connections of the standard library get that one function from this module.
"""

from __future__ import annotations

import importlib
import sqlite3
import time
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from atos_protocol.errors import BadConfigError, UnreachableError
from atos_protocol.settings import Settings

SUBSECOND_UNIXEPOCH = (3, 42, 0)
BUSY_MILLISECONDS = 30_000
POOL_SIZE = 10
POOL_OVERFLOW = 20


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


def open_database(settings: Settings, module: ModuleType | None = None) -> sa.Engine:
    """Open the goals database of these settings; the file is created if missing.

    Args:
        settings: name the database.
        module: the DB-API module for SQLite, for tests of the fall-back.

    Raises:
        BadConfigError: `database_url` is not a usable URL.
        UnreachableError: it can't be opened.
    """
    try:
        engine = _engine(settings, module)
    except (ArgumentError, ImportError) as error:
        message = f"ATOS_DATABASE_URL does not name a usable database: {error}"
        step = "Write postgresql://user@host/name, or remove it to use a SQLite file."
        raise BadConfigError(message, next_step=step) from error
    try:
        with engine.connect():
            pass
    except Exception as error:  # each driver has its own classes
        engine.dispose()
        why = getattr(error, "orig", None) or error
        message = f"the goals database {engine.url.render_as_string()} can't be opened: {why}"
        raise UnreachableError(message, next_step=_next_step(settings)) from error
    return engine


def _engine(settings: Settings, module: ModuleType | None) -> sa.Engine:
    url = database_url(settings)
    options: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": POOL_OVERFLOW}
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True, **options)
    settings.prepare()
    chosen = module or sqlite_module()
    engine = sa.create_engine(url, module=chosen, **options)
    _tune(engine, patch=chosen.sqlite_version_info < SUBSECOND_UNIXEPOCH)
    return engine


def _next_step(settings: Settings) -> str:
    if settings.database_url:
        return "Start that database, or remove ATOS_DATABASE_URL to use a SQLite file."
    return "Restore the file from a backup, or move it away to start without its goals."


def _tune(engine: sa.Engine, *, patch: bool) -> None:
    """Set up every new SQLite connection of this engine."""

    def connected(connection: Any, _record: Any) -> None:
        if patch:
            connection.create_function("unixepoch", -1, _unixepoch)
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            f"busy_timeout={BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", connected)
