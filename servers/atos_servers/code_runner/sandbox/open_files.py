"""What processes hold through descriptors alone: no folder and no process's size shows it.

Files that were deleted while open (or mapped) fill the disk; sockets hold what nobody has received
in the kernel's memory; descriptors that were sent over a socket belong to no process until they
are received; and a sandbox's own file systems in memory hold files of no size.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Sequence
from typing import NamedTuple

from atos_servers.code_runner.sandbox.disk_usage import BLOCK

SOCKET_BYTES = 512 * 1024
"""What a Unix socket counts for: it may hold this much under the kernel's usual limits."""
FREE_SOCKETS = 32
"""An event loop has two, a pool of workers a few more."""
FREE_IN_FLIGHT = 8
"""Descriptors on their way between processes; `multiprocessing` has one or two."""
TMPFS = ("/tmp", "/dev/shm")
INODE_BYTES = 1024
"""What the kernel keeps of a file on a tmpfs, its name included."""
MOST_BYTES = 4 * 2**20
LOOK_WORK, LOOK_CLOCK = 0.25, 0.6
"""Seconds of processor time, and on the clock, for all processes. A fork bomb must not gain time; honest
code takes 0.02 s."""


class Held(NamedTuple):
    """Bytes that processes hold."""

    disk: int
    memory: int


class _Count:
    def __init__(self, folder: str, largest: int) -> None:
        self._device = os.stat(folder).st_dev  # noqa: PTH116 - the launcher avoids pathlib's cost
        self._folder = folder
        self._largest = largest
        self._files: dict[int, int] = {}
        self._sockets: set[int] = set()
        self._in_flight = 0

    def add(self, pid: int) -> None:
        """Count what one process holds; nothing where it is gone."""
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    self._descriptor(pid, entry.name)
        for line in _lines(f"/proc/{pid}/maps"):
            if line.endswith("(deleted)"):
                with contextlib.suppress(ValueError):  # cut short, because the process ended
                    self._mapping(line)

    def _descriptor(self, pid: int, number: str) -> None:
        found = os.stat(f"/proc/{pid}/fd/{number}")  # noqa: PTH116
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
            if found.st_dev == self._device:
                self._files[found.st_ino] = found.st_blocks * BLOCK
        elif stat.S_ISSOCK(found.st_mode) and found.st_ino not in self._sockets:
            self._sockets.add(found.st_ino)
            for line in _lines(f"/proc/{pid}/fdinfo/{number}"):
                if line.startswith("scm_fds:"):
                    self._in_flight += int(line.split()[1])

    def _mapping(self, line: str) -> None:
        """Count a deleted file that is mapped: its size can't be read, so it is the largest."""
        _, _, _, device, inode, path = line.split(maxsplit=5)
        major, minor = (int(part, 16) for part in device.split(":"))
        if os.makedev(major, minor) == self._device or path.startswith(self._folder):
            self._files.setdefault(int(inode), self._largest)

    def held(self, unix_sockets: int, queued: int) -> Held:
        """Return the sums."""
        sent = max(0, self._in_flight - FREE_IN_FLIGHT) * self._largest
        sockets = max(0, max(len(self._sockets), unix_sockets) - FREE_SOCKETS)
        return Held(sum(self._files.values()) + sent, sockets * SOCKET_BYTES + queued)


def held(pids: Sequence[int], folder: str, *, largest: int) -> Held:
    """Return what processes hold open.

    Looking at a process waits while it forks, so after that time the rest is left out; it
    begins anywhere, so that nothing can hide at the end.

    Args:
        pids: the processes.
        folder: the folder that they may write to; only files of its device are counted.
        largest: bytes that one file may have.
    """
    try:
        count = _Count(folder, largest)
    except OSError:
        return Held(0, 0)
    unix = queued = on_tmpfs = 0
    work, clock = time.thread_time() + LOOK_WORK, time.monotonic() + LOOK_CLOCK
    first = time.monotonic_ns() % max(1, len(pids))
    for pid in (*pids[first:], *pids[:first]):
        if time.thread_time() > work or time.monotonic() > clock:
            break
        count.add(pid)
        if not unix and _has_own("net", pid):
            unix = sum(1 for _ in _lines(f"/proc/{pid}/net/unix"))
            queued = sum(_queued(f"/proc/{pid}/net/{kind}") for kind in INTERNET)
        if not on_tmpfs and _has_own("mnt", pid):
            on_tmpfs = tmpfs_bytes(f"/proc/{pid}/root")
    return count.held(unix, queued + on_tmpfs)


INTERNET = ("tcp", "tcp6", "udp", "udp6")


def _has_own(namespace: str, pid: int) -> bool:
    try:
        theirs = os.readlink(f"/proc/{pid}/ns/{namespace}")  # noqa: PTH115
        return theirs != os.readlink(f"/proc/self/ns/{namespace}")  # noqa: PTH115
    except OSError:
        return False


def tmpfs_bytes(root: str) -> int:
    """Return the memory of a sandbox's own file systems in memory, with what the kernel keeps of each file.

    Their size bounds the content; of empty files there may be as many as half of the machine's memory holds.
    """
    total = 0
    for place in TMPFS:
        with contextlib.suppress(OSError):
            if os.stat(root + place).st_dev != os.stat(place).st_dev:  # noqa: PTH116 - see above
                found = os.statvfs(root + place)
                total += (found.f_blocks - found.f_bfree) * found.f_frsize
                total += (found.f_files - found.f_ffree) * INODE_BYTES
    return total


def _queued(table: str) -> int:
    """Return the bytes that the sockets of a table have not sent or not yet given to anybody."""
    total = 0
    for line in _lines(table):
        with contextlib.suppress(ValueError, IndexError):  # the heading
            sizes = line.split()[4].partition(":")
            total += int(sizes[0], 16) + int(sizes[2], 16)
    return total


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - once for each socket
            return file.read(MOST_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return []
