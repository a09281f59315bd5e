"""How many threads a model gets on the CPU, and how many requests at once pay there.

Reading and writing a token ends at a barrier of all threads, so a thread that waits for a busy core
holds up the others: on two cores at a load of 5, a 0.5B model wrote 10 to 12 tokens/s with one thread
and 1.4 to 2.0 with two. So a model gets the physical cores that are idle when it is loaded, and again
between its requests, since what kept them busy then may be gone: a daemon's start, a test that ran.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil

LOOK_SECONDS = 0.3
"""How long the cores are watched; the load average lags by a minute, a look does not."""
SIDE_BY_SIDE_CORES = 6
"""Cores below which answering requests side by side is no faster than one after another."""
CORES_PER_REQUEST = 3
WINDOW_SECONDS = 30.0
"""Time over which other work is averaged before threads are chosen anew: a sandbox runs for a second or two.
Each change costs the load, and the prompt is read anew: some ten seconds."""
MARGIN_CORES = 0.2
"""How far the work of others must be from where the choice changes; else a model would be loaded again and again."""


def threads(cores: int, busy: float) -> int:
    """Return the threads for a model on so many physical cores, of which so many are busy."""
    return max(1, cores - round(busy))


def suited(now: int, cores: int, busy: float) -> int:
    """Return the threads that a model with `now` of them should have; `now` where it is a close call."""
    fewer, more = threads(cores, busy + MARGIN_CORES), threads(cores, busy - MARGIN_CORES)
    return more if fewer == more else now


class OtherWork:
    """How many cores are kept busy by anything but one process, from one look to the next.

    What runs at a lower priority (`nice`) counts too: beside a compiler at nice 19 a 1.5B model wrote
    1.5 tokens/s with two threads on two cores, since each wait of one thread holds up the other.

    Args:
        pid: the process that is left out.
        spent: returns the seconds that all cores, and the process, have spent working so far.
        clock: seconds.
    """

    def __init__(
        self,
        pid: int,
        spent: Callable[[int], tuple[float, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid, self._spent, self._clock = pid, spent or _spent, clock
        self._last = clock(), self._spent(pid)

    def look(self) -> float | None:
        """Return the busy cores since the last look that returned them; None while that is too short a time."""
        now, spent = self._clock(), self._spent(self._pid)
        before, (all_before, own_before) = self._last
        if now - before < WINDOW_SECONDS:
            return None
        self._last = now, spent
        others = (spent[0] - all_before) - (spent[1] - own_before)
        return max(0.0, others / (now - before))


def _spent(pid: int) -> tuple[float, float]:
    """Return the CPU seconds spent on all usable cores, and by a process (0.0: it ended)."""
    try:
        own = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return _spent_by_all(), 0.0
    return _spent_by_all(), own.user + own.system


def _spent_by_all() -> float:
    """Return the CPU seconds spent on the cores that this process may run on."""
    each = psutil.cpu_times(percpu=True)
    cores = [each[core] for core in _allowed() if core < len(each)]
    given_away = ("idle", "iowait", "guest", "guest_nice")  # guests are part of user and nice
    return sum(
        sum(times) - sum(getattr(times, name, 0.0) for name in given_away) for times in cores
    )


def parallel(cores: int) -> int:
    """Return how many requests at once pay on a CPU of so many cores.

    Writing a token is bound by memory, which side by side is read once for all: that pays. But on few
    cores the arithmetic is the bound, and each further request only slows the others.
    """
    return 1 if cores < SIDE_BY_SIDE_CORES else cores // CORES_PER_REQUEST


def usable_cores() -> int:
    """Return how many physical cores this process may run on."""
    logical = len(_allowed())
    physical = psutil.cpu_count(logical=False) or logical
    return max(1, min(logical, physical))


def threads_now() -> int:
    """Watch the cores for a moment, and return the threads for a model; it blocks that long."""
    before, began = _spent_by_all(), time.monotonic()
    time.sleep(LOOK_SECONDS)
    busy = (_spent_by_all() - before) / (time.monotonic() - began)
    return threads(usable_cores(), busy)


def _allowed() -> list[int]:
    """Return the numbers of the logical cores that this process may run on."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return list(range(os.cpu_count() or 1))
