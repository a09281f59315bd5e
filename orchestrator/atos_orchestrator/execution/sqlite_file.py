"""The SQLite file of the goals database, as long as a process has it open: is it still there, still the same?

SQLite itself notices nothing of this. Moved or deleted, the file is written to all the same (a ghost: gone with the
last process); overwritten, its pages are a mixture of what is cached and what is there.

* Before every use: path, device and inode are those of what is open (`stat`), and it begins as a database does.
  The descriptor for the latter is opened once and closed only after another file was accepted: closing *any*
  descriptor of a file drops every lock that the process holds on it (POSIX), SQLite's included.
* The *anchor* is a connection that lies idle. With it no other connection is the last one, and so none
  copies the write-ahead log into the file when it is closed: by then the file may be somebody else's.
* A write-ahead log belongs to one file. When another file has taken the place, the log that was left
  there is renamed before the new file is opened: SQLite would apply it to whatever it finds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from atos_orchestrator.execution.database_faults import NO_TABLES, RESTORE, fault_of
from atos_orchestrator.execution.database_health import DatabaseFaultError, Fault

MAGIC = b"SQLite format 3\0"
PROBE_MILLISECONDS = 500
"""How long a probe waits for a lock."""
Identity = tuple[int, int]


class SqliteFile:
    """One file, which several engines of this process may have open.

    Args:
        path: where it is.
        module: the DB-API module that everything in this process opens it with.
        tables: names of tables; a file that contains tables, but none of these, is somebody else's.
    """

    def __init__(self, path: Path, module: ModuleType, tables: Collection[str]) -> None:
        self.path = path
        self._module = module
        self._tables = frozenset(tables)
        self._lock = threading.Lock()
        self._identity: Identity | None = None
        self._log: Identity | None = None
        self._descriptor = -1
        self._anchor: Any = None
        self._pinned: Any = None
        self._suspect = False

    def connect(self, *, create: bool = False) -> Any:
        """Open a connection; only the first start creates the file, or a lost one would come back empty."""
        return self._opened("mode=rwc" if create else "mode=rw")

    def _opened(self, how: str) -> Any:
        uri = f"file:{quote(str(self.path))}?{how}"
        return self._module.connect(uri, uri=True, check_same_thread=False)

    def check(self, *, create: bool) -> None:
        """Open it for once, and refuse what is no database of ours before anything is written.

        Raises:
            DatabaseFaultError: it is somebody else's.
            sqlite3.Error: it can't be read.
        """
        with contextlib.closing(self.connect(create=create)) as connection:
            if not self._tables_in(connection, empty=create):
                raise DatabaseFaultError(NO_TABLES)

    def hold(self) -> Fault | None:
        """Remember which file is open, for `inspect`; return what prevents it."""
        with self._lock:
            try:
                self._take(self.connect())
            except Exception as error:  # noqa: BLE001 - sqlite3's or the system's
                return fault_of(error) or Fault(f"{type(error).__name__}: {error}")
        return None

    def inspect(self) -> Fault | None:
        """Return what is wrong with the file, without a query."""
        if self._identity is None:
            return None
        try:
            if _identity(self.path) != self._identity:
                return Fault(f"another file has taken the place of {self.path}")
            if os.pread(self._descriptor, len(MAGIC), 0) == MAGIC:
                return None
        except FileNotFoundError:
            step = "Put it back, or restart ATOS to go on without its goals."
            return Fault(f"its file {self.path} is gone", step)
        except OSError as error:
            return Fault(f"its file {self.path} can't be read: {error.strerror}")
        self._suspect = True
        self._pin()
        return Fault(f"{self.path} is not a database any more", RESTORE, corrupt=True)

    def probe(self, *, damaged: bool) -> bool:
        """Write to it and read from it; return whether it is another file, or had to be opened anew.

        Raises:
            DatabaseFaultError: it can't be used.
        """
        with self._lock:
            try:
                return self._probe(damaged=damaged)
            except DatabaseFaultError:
                raise
            except Exception as error:
                found = fault_of(error) or Fault(f"{type(error).__name__}: {error}")
                raise DatabaseFaultError(found) from error

    def _probe(self, *, damaged: bool) -> bool:
        if damaged:
            self._suspect = True
            self._pin()
        found = self.inspect()
        replaced = self._identity is not None and self._is_another_file()
        if found is not None and not replaced:
            raise DatabaseFaultError(found)
        if replaced or self._suspect or self._anchor is None:
            self._open_anew()
            replaced = True
        self._write(self._anchor)
        return replaced

    def _is_another_file(self) -> bool:
        try:
            return _identity(self.path) != self._identity
        except OSError:
            return False

    def _open_anew(self) -> None:
        """Accept what stands at the path, if it is a sound database of ours."""
        if self._is_another_file() and self._log_is_of_the_old_file():
            # Looked at without the log, and without a lock that closing it could drop.
            with contextlib.closing(self._opened("mode=ro&immutable=1")) as connection:
                self._require_sound(connection)
            self._set_log_aside()
        connection = self.connect()
        try:
            connection.execute(f"PRAGMA busy_timeout={PROBE_MILLISECONDS}")
            self._require_sound(connection)
        except BaseException:
            connection.close()
            raise
        self._take(connection)
        self._suspect = False

    def _take(self, connection: Any) -> None:
        """Make a connection the anchor."""
        connection.execute(f"PRAGMA busy_timeout={PROBE_MILLISECONDS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # it joins the log
        connection.isolation_level = None
        self._unpin()
        same = self._identity == _identity(self.path)
        self._anchor, before = connection, self._anchor
        if before is not None:
            before.close()
        if not same:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            self._descriptor, old = descriptor, self._descriptor
            if old >= 0:
                os.close(old)
        self._identity = _identity(self.path)
        with contextlib.suppress(OSError):
            self._log = _identity(self._beside("-wal"))

    def _pin(self) -> None:
        """Keep the anchor open until the process is gone, because its closing would write to the file.

        Even the end of the interpreter closes a connection that is referred to, if by Python alone.
        """
        if self._pinned is None and self._anchor is not None:
            self._pinned = self._anchor
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._pinned))

    def _unpin(self) -> None:
        """Undo it, because a sound file has been accepted."""
        if self._pinned is not None:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(self._pinned))
            self._pinned = None

    def _require_sound(self, connection: Any) -> None:
        if not self._tables_in(connection, empty=False):
            raise DatabaseFaultError(NO_TABLES)
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise DatabaseFaultError(Fault(f"its file is damaged ({said})", RESTORE, corrupt=True))

    def _tables_in(self, connection: Any, *, empty: bool) -> bool:
        """Tell whether it has our tables; `empty` accepts none at all."""
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        names = {str(name) for (name,) in rows} - {"sqlite_sequence"}
        if names and not names & self._tables:
            text = f"{self.path} is a database of another program"
            raise DatabaseFaultError(Fault(text, "Move it away, or set ATOS_DATABASE_URL."))
        return bool(names) or empty

    def _log_is_of_the_old_file(self) -> bool:
        try:
            return self._log is not None and _identity(self._beside("-wal")) == self._log
        except OSError:
            return False

    def _set_log_aside(self) -> None:
        """Rename the write-ahead log of the file that was here before."""
        if not self._log_is_of_the_old_file():  # another process of ATOS was faster
            return
        mark = time.strftime("%Y%m%d-%H%M%S")
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self._beside(suffix).rename(self._beside(f"{suffix}.{mark}"))

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _write(self, connection: Any) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in PROBE_STATEMENTS:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(Exception):
                connection.execute("ROLLBACK")
            raise


PROBE_STATEMENTS = (
    "CREATE TABLE IF NOT EXISTS atos_probe (one INTEGER PRIMARY KEY, count INTEGER NOT NULL)",
    "INSERT INTO atos_probe VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET count = atos_probe.count + 1",
)
"""A write that ends in a commit: only that tells a full disk and a read-only server."""


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino
