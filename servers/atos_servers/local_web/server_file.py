"""The file by which a serving process is started, found and ended: what to serve, and who serves it.

The process holds an exclusive `flock` on it; the kernel drops that however the process ends, so `is_served`
never trusts a number of a process that is gone. Who only asks shares the lock for a moment: askers don't take each
other for the process, and the process that begins waits for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from atos_protocol.errors import BadConfigError, ConflictError
from atos_servers.local_web.entry import Entry

LOCK_SECONDS = 2.0
"""How long a process that begins to serve waits for those who only ask."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """What is served, and by whom."""

    release: str
    entry: Entry
    digest: str
    title: str
    commit: str = ""
    requirements: tuple[str, ...] = ()
    """Packages that are installed for it, wheels only, before it is loaded."""
    port: int = 0
    """The port that is wanted, later the one that is used; 0 takes a free one."""
    process: int = 0
    """The serving process; 0 before it answers."""

    def serving(self, port: int) -> ServerFile:
        """Return the same, with this process and the port that it has."""
        return replace(self, port=port, process=os.getpid())


def read(path: Path) -> ServerFile:
    """Read a server file.

    Raises:
        BadConfigError: it is missing or no server file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        entry, wanted = Entry(**found.pop("entry")), tuple(found.pop("requirements"))
        return ServerFile(entry=entry, requirements=wanted, **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{path} is no server file: {error}"
        raise BadConfigError(message, next_step="Deploy again.") from error


def write(path: Path, what: ServerFile) -> None:
    """Write a server file in place: its lock belongs to the file, so it is not replaced by another."""
    text = json.dumps(asdict(what), indent=1) + "\n"
    with path.open("r+" if path.exists() else "x", encoding="utf-8") as file:
        file.write(text)
        file.truncate()


@contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS) -> Generator[None]:
    """Hold the file's lock, as who serves it does.

    Raises:
        ConflictError: another process serves it.
        BadConfigError: there is no such file.
    """
    handle, deadline = _opened(path), time.monotonic() + seconds
    try:
        while not _taken(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                message = f"{path} is served already"
                raise ConflictError(message)
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def is_served(path: Path) -> bool:
    """Tell whether a process lives that serves this file."""
    try:
        handle = _opened(path)
    except BadConfigError:
        return False
    try:
        return not _taken(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise BadConfigError(message, next_step="Deploy again.") from error


def _taken(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
