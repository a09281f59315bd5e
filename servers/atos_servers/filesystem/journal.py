"""What the tools changed, with the content before each change, so that it can be undone.

One SQLite file in ATOS's home, where no tool reaches. A change is noted before it happens: after a kill
in between it stands there without having happened, and undoing it finds that out by the hash.
The oldest contents go first when all of them take more than `KEPT_BYTES`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from atos_servers.filesystem.errors import FailedError

KEPT_BYTES = 256 << 20
"""Most bytes of earlier contents that are kept, all workspaces together."""
PRUNED_EVERY = 64
"""Changes between two looks at how much is kept."""

Kind = Literal["create", "write", "edit", "append", "delete", "move"]

_TABLE = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    root TEXT NOT NULL,
    path BLOB NOT NULL,
    kind TEXT NOT NULL,
    before BLOB,
    before_sha256 TEXT NOT NULL,
    after_sha256 TEXT NOT NULL,
    mode INTEGER NOT NULL,
    moved_to BLOB
);
CREATE INDEX IF NOT EXISTS changes_by_path ON changes (root, path, id);
"""
_FACTS = "id, at, root, path, kind, before_sha256, after_sha256, mode, moved_to"


class Change(NamedTuple):
    """One change of one file."""

    id: int
    at: float
    """Seconds since 1970."""
    root: str
    """Real path of the allowed directory."""
    path: str
    """Real path below it."""
    kind: Kind
    before_sha256: str
    """"" where there was no file, or its content was not kept."""
    after_sha256: str
    """"" where there is no file now."""
    mode: int = 0o644
    moved_to: str = ""
    """Absolute path, for a move."""


class Journal:
    """The changes of all workspaces; safe to use from several threads.

    Raises:
        FailedError: the file can't be used.
    """

    def __init__(self, file: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._file, self._kept = file, kept_bytes
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._added = 0

    def add(self, change: Change, before: bytes | None) -> int:
        """Note a change that is about to happen; return its id."""
        values = (
            change.at or time.time(), change.root, _raw(change.path), change.kind, before,
            change.before_sha256, change.after_sha256, change.mode, _raw(change.moved_to),
        )  # fmt: skip
        with self._using() as database:
            added = database.execute(
                "INSERT INTO changes (at, root, path, kind, before, before_sha256, after_sha256,"
                " mode, moved_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            self._added += 1
            if self._added % PRUNED_EVERY == 1:
                self._prune(database)
        return added.lastrowid or 0

    def of(self, root: str, path: str = "", *, before: int = 0, most: int = 20) -> list[Change]:
        """Return changes, newest first.

        Args:
            root: the directory.
            path: a file in it, or a folder with all below it; "" for the whole.
            before: only changes older than this one; 0 for all.
            most: how many.
        """
        where, values = "root = ?", list[object]([root])
        if path:
            where = f"{where} AND (path = ? OR path > ? AND path < ?)"
            values += [_raw(path), _raw(f"{path}/"), _raw(f"{path}0")]  # 0 comes next to the slash
        if before:
            where, values = f"{where} AND id < ?", [*values, before]
        query = f"SELECT {_FACTS} FROM changes WHERE {where} ORDER BY id DESC LIMIT ?"
        with self._using() as database:
            rows = database.execute(query, [*values, most]).fetchall()
        return [_change(row) for row in rows]

    def find(self, roots: Sequence[str], identity: int) -> Change | None:
        """Return one change, if it was made in one of these directories."""
        with self._using() as database:
            row = database.execute(
                f"SELECT {_FACTS} FROM changes WHERE id = ?",
                (identity,),
            ).fetchone()
        found = _change(row) if row else None
        return found if found and found.root in roots else None

    def content_before(self, identity: int) -> bytes | None:
        """Return the content before a change; None where there was none, or it is not kept."""
        with self._using() as database:
            row = database.execute(
                "SELECT before FROM changes WHERE id = ?", (identity,)
            ).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._database:
                self._database.close()
            self._database = None

    @contextmanager
    def _using(self) -> Generator[sqlite3.Connection]:
        try:
            with self._lock, self._open() as database:
                yield database
        except (sqlite3.Error, OSError) as error:
            message = f"the journal {self._file} can't be used: {error}"
            step = (
                "Ask the user to free space there, or to move that file away; nothing was changed."
            )
            raise FailedError(message, next_step=step) from error

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
            database = sqlite3.connect(self._file, check_same_thread=False)
            try:
                database.executescript(_TABLE)
            except BaseException:  # with a full disk: the next change tries it again
                database.close()
                raise
            self._database = database
        return self._database

    def _prune(self, database: sqlite3.Connection) -> None:
        """Forget the oldest contents beyond the limit; that they were changed stays known."""
        database.execute(
            "UPDATE changes SET before = NULL WHERE id IN (SELECT id FROM (SELECT id,"
            " SUM(LENGTH(before)) OVER (ORDER BY id DESC) AS kept FROM changes"
            " WHERE before IS NOT NULL) WHERE kept > ?)",
            (self._kept,),
        )
        database.execute("PRAGMA incremental_vacuum(1000)")


def sha256(data: bytes | None) -> str:
    """Return the hash of a content; "" where there is none."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _change(row: tuple[int, float, str, bytes, Kind, str, str, int, bytes]) -> Change:
    identity, at, root, path, kind, before, after, mode, moved_to = row
    shown = path.decode("utf-8", "surrogateescape")
    to = moved_to.decode("utf-8", "surrogateescape")
    return Change(identity, at, root, shown, kind, before, after, mode, to)
