"""Removes folders that hostile code filled: of any depth, whatever their names, links and modes.

No path is ever looked up: every step is relative to an open folder, down by name without following
a link, up by `..`, and a folder that is not the one that was left on the way down ends the removal.
So it needs two descriptors and no recursion, and code that still runs can lead it nowhere else.

    scan: unlink what is no folder -> the first folder: go down, scan
                                   -> no folder left: go up, remove the one we came from, scan

Run as a program (`removal.py PARENT PREFIX SECONDS`) it removes the stale folders of a parent.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Level:
    """One folder on the way down to where the removal is."""

    name: str
    identity: tuple[int, int]
    """Device and inode."""
    stuck: set[str] = field(default_factory=set[str])
    """What can't be removed from it."""


def identity(descriptor: int) -> tuple[int, int]:
    """Return what tells an open file from every other: device and inode."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _unlock(name: str | Path, folder: int | None) -> None:
    """Give us all rights on a folder that may not even be opened; a link is not followed."""
    if not hasattr(os, "O_PATH"):
        return
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - the handle's own inode
    finally:
        os.close(handle)


def _open(name: str | Path, folder: int | None) -> int:
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except PermissionError:
        _unlock(name, folder)
        return os.open(name, FOLDER, dir_fd=folder)


class Removal:
    """One removal; `current` is the open folder that it is in."""

    def __init__(self, top: int, deadline: float) -> None:
        self._current = os.dup(top)
        self._deadline = deadline
        self._levels = [Level("", identity(top))]
        with contextlib.suppress(OSError):
            os.fchmod(top, 0o700)

    def close(self) -> None:
        """Close the folder that it is in."""
        os.close(self._current)

    def empty(self) -> bool:
        """Remove what is in the top folder; return whether it is empty.

        Raises:
            OSError: a folder was moved meanwhile; what was reached is removed.
        """
        while time.monotonic() < self._deadline:
            if (below := self._unlink_files()) is not None:
                self._go_down(below)
            elif time.monotonic() >= self._deadline:
                return False
            elif len(self._levels) == 1:
                return not self._levels[0].stuck
            else:
                self._go_up()
        return False

    def _unlink_files(self) -> str | None:
        """Unlink what is no folder, until a folder is found; return its name."""
        stuck = self._levels[-1].stuck
        with os.scandir(self._current) as entries:
            for entry in entries:
                if time.monotonic() >= self._deadline:
                    return None
                if entry.name in stuck:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    return entry.name
                try:
                    os.unlink(entry.name, dir_fd=self._current)
                except OSError:
                    stuck.add(entry.name)
        return None

    def _go_down(self, name: str) -> None:
        try:
            below = _open(name, self._current)
        except OSError:
            self._remove_here(name)  # it may be empty
            return
        os.close(self._current)
        self._current = below
        self._levels.append(Level(name, identity(below)))
        with contextlib.suppress(OSError):
            os.fchmod(below, 0o700)

    def _go_up(self) -> None:
        left = self._levels.pop()
        above = os.open("..", FOLDER, dir_fd=self._current)
        os.close(self._current)
        self._current = above
        if identity(above) != self._levels[-1].identity:
            message = f"{left.name!r} was moved while its content was being removed"
            raise OSError(message)
        self._remove_here(left.name)

    def _remove_here(self, name: str) -> None:
        try:
            os.rmdir(name, dir_fd=self._current)
        except OSError:
            self._levels[-1].stuck.add(name)


def empty_folder(folder: str | Path, *, seconds: float = math.inf) -> bool:
    """Remove what is in a folder; return whether it is there and empty. Never raises.

    Args:
        folder: its path; a link is not followed.
        seconds: how long it may take; what is left then stays.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        top = _open(folder, None)
        try:
            removal = Removal(top, deadline)
            try:
                return removal.empty()
            finally:
                removal.close()
        finally:
            os.close(top)
    return False


def remove_folder(folder: str | Path, *, seconds: float = math.inf) -> bool:
    """Remove a folder and what is in it; return whether it is gone. Never raises.

    Args:
        folder: its path; a link is neither followed nor removed.
        seconds: how long it may take; what is left then stays.
    """
    empty_folder(folder, seconds=seconds)
    try:
        Path(folder).rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def is_stale(entry: os.DirEntry[str], prefix: str, seconds: float) -> bool:
    """Return whether an entry is a folder of ours that has not been touched for so long, and that nobody holds."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    ours = entry.name.startswith(prefix) and found.st_uid == os.geteuid()
    old = stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > seconds
    return ours and old and not is_held(entry.path)


def is_held(folder: str | Path) -> bool:
    """Return whether a process holds a folder's lock; the kernel drops it however that process ends."""
    import fcntl  # the launchers, which remove their own folders, should not wait for it

    try:
        handle = os.open(folder, FOLDER)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


def remove_stale(parent: str | Path, prefix: str, seconds: float) -> None:
    """Remove the stale folders in `parent` whose names begin with `prefix`. Never raises."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if is_stale(entry, prefix, seconds):
                remove_folder(entry.path)


if __name__ == "__main__":
    os.nice(10)
    remove_stale(sys.argv[1], sys.argv[2], float(sys.argv[3]))
