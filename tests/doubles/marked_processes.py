"""Finding the processes of a test by a word among their arguments."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread


def running_with(word: str) -> list[int]:
    """Return the pids of live processes that have the word among their arguments."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in arguments and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def children_with(word: str) -> list[int]:
    """Return those that this process has started."""
    return [pid for pid in running_with(word) if _stat(pid)[1:2] == [str(os.getpid())]]


def alive(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid: int) -> list[str]:
    """Return state, parent and what follows; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it may go between opening and reading, too
        return []


def looked_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look until the condition holds or the time is over; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds


async def comes_true(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Look from a thread until the condition holds or the time is over."""
    return await anyio.to_thread.run_sync(looked_until, condition, seconds)


async def gone(word: str, seconds: float = 5.0) -> bool:
    """Return whether nothing runs with the word any more, after at most so many seconds."""
    return await comes_true(lambda: not running_with(word), seconds)
