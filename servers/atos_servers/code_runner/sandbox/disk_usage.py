"""Measures what a folder takes on the disk while hostile code works in it.

By descriptor, because the code can make paths that are too long for the kernel; without recursion,
because it can nest without end. The way up from great depth is `..`, and code that moves folders
about while they are measured can make that lead elsewhere: then the folder counts as too large.
"""

from __future__ import annotations

import contextlib
import os
import stat

from atos_servers.code_runner.sandbox.removal import FOLDER, identity

BLOCK = 512
ENTRY_BYTES = 4096
"""What every entry counts for at least: empty files take no blocks, but the disk's inodes."""
HELD_OPEN = 64
"""Levels whose descriptors are kept; honest code goes no deeper."""


class _Level:
    """One folder on the way down: its identity, the folders left in it, its descriptor, and the mode that it had."""

    def __init__(self, descriptor: int, mode: int | None, left: list[str], *, kept: bool) -> None:
        self.identity = identity(descriptor)
        self.left = left
        self.kept = kept
        self.descriptor = descriptor
        self._mode = mode

    def close(self) -> None:
        """Give the folder its own mode back, and close it."""
        if self._mode is not None:
            with contextlib.suppress(OSError):
                os.fchmod(self.descriptor, self._mode)
        os.close(self.descriptor)


class _Measure:
    """One walk; `used` grows with every folder that it enters."""

    def __init__(self, top: int, mode: int | None, at_most: int) -> None:
        self.used = 0
        self._at_most = at_most
        self._levels = list[_Level]()
        self._enter(top, mode)

    def run(self) -> None:
        """Enter folder after folder until all were, or too much was found."""
        while self._levels and self.used <= self._at_most:
            here = self._levels[-1]
            if not here.left:
                self._leave()
                continue
            try:
                below, mode = _open(here.left.pop(), here.descriptor)
            except OSError:  # removed meanwhile
                continue
            if not here.kept:
                os.close(here.descriptor)
            self._enter(below, mode)

    def close(self) -> None:
        """Close what is open."""
        for number, level in enumerate(self._levels):
            if level.kept or number == len(self._levels) - 1:
                level.close()

    def _enter(self, folder: int, mode: int | None) -> None:
        left: list[str] = []
        self._levels.append(_Level(folder, mode, left, kept=len(self._levels) < HELD_OPEN))
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    self.used += max(found.st_blocks * BLOCK, ENTRY_BYTES)
                    if stat.S_ISDIR(found.st_mode):
                        left.append(entry.name)
                if self.used > self._at_most:
                    return

    def _leave(self) -> None:
        gone = self._levels.pop()
        above = self._levels[-1] if self._levels else None
        if above is not None and not above.kept:
            try:
                above.descriptor = os.open("..", FOLDER, dir_fd=gone.descriptor)
                moved = identity(above.descriptor) != above.identity
            except OSError:
                above.descriptor, moved = os.dup(gone.descriptor), True
            if moved:
                self.used = self._at_most + 1
        gone.close()


def _open(name: str, folder: int | None) -> tuple[int, int | None]:
    """Open a folder, even one whose owner took all permissions away: it was filled before that.

    Returns its descriptor, and the mode that it is to get back, since what is in it can't be looked at
    while nobody may search it; None where it may be searched.
    """
    try:
        descriptor = os.open(name, FOLDER, dir_fd=folder)
    except PermissionError:
        return _opened_past_mode(name, folder)
    if os.access(".", os.X_OK, dir_fd=descriptor):
        return descriptor, None
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, mode | 0o500)
    return descriptor, mode


def _opened_past_mode(name: str, folder: int | None) -> tuple[int, int]:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, dir_fd=folder)
    try:
        mode, path = stat.S_IMODE(os.fstat(handle).st_mode), f"/proc/self/fd/{handle}"
        os.chmod(path, mode | 0o500)  # noqa: PTH101 - the handle's own inode
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), mode
    finally:
        os.close(handle)


def disk_used(folder: str, at_most: int) -> int:
    """Return the bytes that what is below a folder takes; counts no further than `at_most`."""
    try:
        measure = _Measure(*_open(folder, None), at_most)
    except OSError:
        return 0
    try:
        measure.run()
    finally:
        measure.close()
    return measure.used
