"""Reads and writes of open files: whole, first or last lines, and replacement that survives a kill.

A file is replaced by a rename, so a kill or a full disk leaves the old content or the new.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import NamedTuple

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
    """Return the present content of a file, at most `limit` bytes; a link is not followed."""
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


class Excerpt(NamedTuple):
    """Whole lines, and whether the byte limit cut them short."""

    data: bytes
    cut: bool


def head(handle: int, count: int, limit: int) -> Excerpt:
    """Return the first lines of an open file, at most `limit` bytes of them."""
    data = bytearray()
    left = count
    while len(data) < limit:
        block = os.pread(handle, min(BLOCK, limit - len(data)), len(data))
        ends = block.count(b"\n")
        if ends >= left:
            return Excerpt(bytes(data + block[: _nth_end(block, left)]), cut=False)
        if not block:
            return Excerpt(bytes(data), cut=False)
        left -= ends
        data += block
    return Excerpt(bytes(data), cut=True)


def tail(handle: int, count: int, limit: int) -> Excerpt:
    """Return the last lines of an open file, at most `limit` bytes of them."""
    end = os.fstat(handle).st_size
    blocks: list[bytes] = []
    start, left = end, count
    while start > 0 and end - start < limit:
        size = min(BLOCK, start, limit - (end - start))
        start -= size
        block = os.pread(handle, size, start)
        if not blocks and block.endswith(b"\n"):  # behind it there is no line
            block = block[:-1]
        ends = block.count(b"\n")
        if ends >= left:
            blocks.append(block[_nth_end(block, ends - left + 1) + 1 :])
            return Excerpt(b"".join(reversed(blocks)), cut=False)
        left -= ends
        blocks.append(block)
    return Excerpt(b"".join(reversed(blocks)), cut=start > 0)


def _nth_end(block: bytes, number: int) -> int:
    """Return where the line end with this number is, counted from 1."""
    at = -1
    for _ in range(number):
        at = block.find(b"\n", at + 1)
    return at
