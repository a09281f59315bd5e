"""Measures and ends a tree of processes through /proc; psutil is not available in the sandbox."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_DESCENDANTS = 4000
KILL_PAUSE = 0.001
"""Seconds between two passes over a tree that is being killed."""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def state_and_parent(pid: int) -> tuple[str, int]:
    """Return the state letter and the parent of a process; ("", 0) when there is none."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (fields[0], int(fields[1])) if len(fields) > 1 else ("", 0)


def _children_listed(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, _read(f"{thread}/children").split())


def _children_searched(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and state_and_parent(int(entry.name))[1] == pid:
            yield int(entry.name)


HAS_CHILDREN_FILES = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Kernels without CONFIG_PROC_CHILDREN lack them; then all of /proc is searched."""


def _children(pid: int) -> Iterator[int]:
    return _children_listed(pid) if HAS_CHILDREN_FILES else _children_searched(pid)


def descendants(pid: int, at_most: int = MOST_DESCENDANTS) -> list[int]:
    """Return the descendants of a process, nearest first; stops when there are more than `at_most`."""
    found: list[int] = []
    level = [pid]
    while level and len(found) <= at_most:
        level = list(islice((c for parent in level for c in _children(parent)), at_most + 1))
        found += level
    return found


def resident(pid: int) -> int:
    """Return the resident bytes of a process; 0 when it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if len(fields) > 1 else 0


def _proportional_size(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return resident(pid)


WALK_WORK, WALK_CLOCK = 0.25, 0.5
"""Seconds of processor time, and on the clock, that walking the pages of all processes may take. Eleven processes
that share 100 MB take 0.08 s of work and 0.17 s on the clock on two busy cores."""


def proportional_size(pids: list[int]) -> int:
    """Return the bytes of processes, with what they share divided among the sharers.

    Each costs a walk of its pages, and a wait while it forks. When that takes too long, and where the kernel
    denies access, the resident size is used: a fork bomb must not gain time. Too short a time would count what
    is shared once per process, and end good code.
    """
    work, clock = time.thread_time() + WALK_WORK, time.monotonic() + WALK_CLOCK

    def in_time() -> bool:
        return time.thread_time() < work and time.monotonic() < clock

    return sum(_proportional_size(pid) if in_time() else resident(pid) for pid in pids)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def reap() -> None:
    """Collect every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants(*, own_namespace: bool) -> None:
    """Kill everything below this process, which must be a subreaper; return when nothing is left.

    Where our child has the rest in a process namespace, the kernel ends them all with it. Elsewhere all are stopped before any is killed, so that something that forks can't
    outrun the killer.
    """
    me = os.getpid()
    if own_namespace:
        _signal(list(_children(me)), signal.SIGKILL)
    while left := descendants(me):
        _signal(left, signal.SIGSTOP)
        _signal(descendants(me), signal.SIGKILL)
        reap()
        time.sleep(KILL_PAUSE)


def threads(pids: list[int]) -> int:
    """Return how many threads processes have together."""
    count = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            count += os.stat(f"/proc/{pid}/task").st_nlink - 2  # noqa: PTH116 - at every check
    return count


def tasks_of_user(user: int) -> int:
    """Return how many threads of all processes a user has, as RLIMIT_NPROC counts them."""
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                count += sum(1 for _ in (entry / "task").iterdir())
    return count
