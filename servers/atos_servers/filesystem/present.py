"""What stands at a name in an open folder before it is changed: content, mode and identity."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from atos_servers.filesystem.errors import (
    ChangedError,
    FailedError,
    HardlinkError,
    NotAFileError,
    TooBigError,
)
from atos_servers.filesystem.file_io import read_all

Identity = tuple[int, int, int, int]
NEW_MODE = 0o644


class Present(NamedTuple):
    """A regular file, or nothing."""

    shown: str
    data: bytes | None = None
    """None where there is nothing, and for what is too big or has a second name elsewhere."""
    mode: int = NEW_MODE
    size: int = 0
    links: int = 0
    """How many names the file has; 0: there is none."""
    identity: Identity | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self.links > 0

    def content(self) -> bytes:
        """Return the content of the file that must be there.

        Raises:
            FileNotFoundError: there is none.
            HardlinkError: another name of it may lie outside.
            TooBigError: it can't be changed in parts.
        """
        if not self.exists:
            raise FileNotFoundError(2, os.strerror(2))
        if self.links > 1:
            raise hardlinked(self.shown, self.links)
        if self.data is None:
            message = f"{self.shown} has {self.size} bytes, too many to be changed in parts"
            raise TooBigError(message, next_step="Keep large data in several files.")
        return self.data


def present(folder: int, name: str, shown: str, limit: int) -> Present:
    """Look at a name in an open folder; a link is not followed, a special file not opened.

    Args:
        folder: its handle.
        name: the name in it.
        shown: the path that messages name.
        limit: bytes of content that are read; a larger file has none here.

    Raises:
        NotAFileError: there is something else than a file.
        FailedError: the file may not be written.
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return Present(shown)
    if not stat.S_ISREG(found.st_mode):
        message = f"{shown} is a folder, link or special file"
        raise NotAFileError(message, next_step="Only regular files are replaced.")
    if not os.access(name, os.W_OK, dir_fd=folder, follow_symlinks=False):
        message = f"{shown} is write-protected"
        raise FailedError(message, next_step="Ask the user to make it writable.")
    if found.st_nlink > 1 or found.st_size > limit:
        return _described(shown, None, found)
    return _read(folder, name, shown, limit)


def _read(folder: int, name: str, shown: str, limit: int) -> Present:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, dir_fd=folder)
    try:
        found = os.fstat(handle)  # of what was opened: the name may lead elsewhere by now
        if not stat.S_ISREG(found.st_mode):
            message = f"{shown} is a folder, link or special file"
            raise NotAFileError(message, next_step="Only regular files are replaced.")
        data = read_all(handle, limit + 1) if found.st_nlink == 1 else None
    finally:
        os.close(handle)
    return _described(shown, data if data is None or len(data) <= limit else None, found)


def _described(shown: str, data: bytes | None, found: os.stat_result) -> Present:
    mode = stat.S_IMODE(found.st_mode) & 0o777
    return Present(shown, data, mode, found.st_size, found.st_nlink, identity(found))


def identity(found: os.stat_result) -> Identity:
    """Return what is another after any change of a file."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def hardlinked(shown: str, links: int) -> HardlinkError:
    """Return the error for a file with several names."""
    message = f"{shown} has {links} hard links; another may lie outside"
    return HardlinkError(message, next_step="Copy it to a separate file outside this tool.")


def changed(shown: str) -> ChangedError:
    """Return the error for a file that is no longer what the caller has read."""
    message = f"{shown} was changed since it was read"
    return ChangedError(message, next_step="Read it again and repeat the edit.")
