"""Reading open files, and the lock that a writer holds on a folder.

Replacement itself is in `replacing.py`.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from atos_protocol.errors import BusyError

LOCK_SECONDS = 5.0
BLOCK = 64 << 10
TEMPORARY = re.compile(r"\.atos-[0-9a-f]{16}\.tmp")

_clean_folders: set[tuple[int, int]] = set()
"""Folders (device, inode) from which leftovers of killed processes have been removed."""


@contextmanager
def locked(folder: int, shown: str) -> Generator[None]:
    """Hold an open folder against other ATOS writers until its handle is closed.

    The kernel drops the lock of a killed process.

    Raises:
        BusyError: another writer held it all the time.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"another client is writing to a folder in {shown}"
                raise BusyError(message, next_step="Try again.") from None
            time.sleep(0.005)
    _remove_leftovers(folder)
    yield


def read_all(handle: int, limit: int) -> bytes:
    """Return the rest of an open file, at most `limit` bytes."""
    pieces: list[bytes] = []
    while limit > 0 and (piece := os.read(handle, min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _remove_leftovers(folder: int) -> None:
    """Remove the temporary files of killed writers; the folder is locked, so none is in use."""
    found = os.fstat(folder)
    if (found.st_dev, found.st_ino) in _clean_folders:
        return
    for name in os.listdir(folder):
        if TEMPORARY.fullmatch(name):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
    _clean_folders.add((found.st_dev, found.st_ino))


def tail_start(handle: int, count: int, limit: int) -> int:
    """Return where the last lines of an open file begin, at most `limit` bytes before its end."""
    end = os.fstat(handle).st_size
    start, left, first = end, count, True
    while start > 0 and end - start < limit:
        size = min(BLOCK, start, limit - (end - start))
        start -= size
        block = os.pread(handle, size, start)
        if first and block.endswith(b"\n"):  # behind it there is no line
            block = block[:-1]
        first = False
        ends = block.count(b"\n")
        if ends >= left:
            return start + nth_end(block, ends - left + 1) + 1
        left -= ends
    return start


def nth_end(block: bytes, number: int) -> int:
    """Return where the line end with this number is, counted from 1."""
    at = -1
    for _ in range(number):
        at = block.find(b"\n", at + 1)
    return at
