"""Replacing a file in an open folder so that a kill or a full disk leaves the old content or the new."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from atos_protocol.errors import BusyError

LOCK_SECONDS = 5.0
TEMPORARY = re.compile(r"\.atos-[0-9a-f]{16}\.tmp")

_swept: set[tuple[int, int]] = set()
"""Folders (device, inode) whose leftovers of a killed process are gone."""


@contextmanager
def locked(folder: int, shown: str) -> Generator[None]:
    """Hold an open folder against other ATOS writers until its handle is closed.

    The kernel drops the lock of a killed process.

    Raises:
        BusyError: somebody else held it all the time.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"a folder in {shown} is being written by somebody else"
                raise BusyError(message, next_step="Try again.") from None
            time.sleep(0.005)
    _sweep(folder)
    yield


def replace(folder: int, name: str, data: bytes, mode: int) -> None:
    """Write a temporary file, make it durable and give it the name."""
    temporary = f".atos-{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def content(folder: int, name: str, limit: int) -> bytes:
    """Return what a file holds now, at most `limit` bytes; a link is not followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, dir_fd=folder)
    try:
        return read_all(handle, limit)
    finally:
        os.close(handle)


def read_all(handle: int, limit: int) -> bytes:
    """Return the rest of an open file, at most `limit` bytes."""
    pieces: list[bytes] = []
    while limit > 0 and (piece := os.read(handle, min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _sweep(folder: int) -> None:
    """Remove what killed writers left; the folder is locked, so nobody is using it."""
    found = os.fstat(folder)
    if (found.st_dev, found.st_ino) in _swept:
        return
    for name in os.listdir(folder):
        if TEMPORARY.fullmatch(name):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
    _swept.add((found.st_dev, found.st_ino))
