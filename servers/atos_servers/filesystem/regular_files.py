"""Opening a regular file for reading, without side effects on pipes, sockets and devices."""

from __future__ import annotations

import os
import stat

from atos_servers.filesystem.confined_open import O_PATH, Backend, open_beneath
from atos_servers.filesystem.errors import NotAFileError
from atos_servers.filesystem.paths import Parts
from atos_servers.filesystem.present import hardlinked


def open_regular(base: int, parts: Parts, shown: str, backend: Backend) -> int:
    """Open a regular file below an open directory; return its handle.

    Raises:
        NotAFileError: it is something else.
        HardlinkError: it has another name, which may lie outside.
        OSError: it can't be opened.
    """
    if not O_PATH:
        return _open_nonblocking(base, parts, shown, backend)
    named = open_beneath(base, parts, O_PATH, backend)
    try:
        _check_regular(os.fstat(named), shown)
        try:
            # the same inode, without a second look-up of the path
            return os.open(f"/proc/self/fd/{named}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # no /proc
            return _open_nonblocking(base, parts, shown, backend)
    finally:
        os.close(named)


def is_directory(shown: str) -> NotAFileError:
    """Return the error for a directory where a file is needed."""
    return NotAFileError(f"{shown} is a directory", next_step="Use list_directory, or name a file.")


def _open_nonblocking(base: int, parts: Parts, shown: str, backend: Backend) -> int:
    """Open directly where `O_PATH` is missing; O_NONBLOCK keeps a pipe from blocking."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    handle = open_beneath(base, parts, flags, backend)
    try:
        _check_regular(os.fstat(handle), shown)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check_regular(found: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise is_directory(shown)
    if not stat.S_ISREG(found.st_mode):
        message = f"{shown} is a pipe, socket or device"
        raise NotAFileError(message, next_step="Only regular files can be read.")
    if found.st_nlink > 1:
        raise hardlinked(shown, found.st_nlink)
