"""How many threads a model gets on the CPU, and how many requests at once pay there.

Reading and writing a token ends at a barrier of all threads, so a thread that waits for a busy core
holds up the others: on two cores at a load of 5, a 0.5B model wrote 10 to 12 tokens/s with one thread
and 1.4 to 2.0 with two. So a model gets the physical cores that are idle when it is loaded.
"""

from __future__ import annotations

import os

import psutil

LOOK_SECONDS = 0.3
"""How long the cores are watched; the load average lags by a minute, a look does not."""
SIDE_BY_SIDE_CORES = 6
"""Cores below which answering requests side by side is no faster than one after another."""
CORES_PER_REQUEST = 3


def threads(cores: int, busy: float) -> int:
    """Return the threads for a model on so many physical cores, of which so many are busy."""
    return max(1, cores - round(busy))


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
    each = psutil.cpu_percent(interval=LOOK_SECONDS, percpu=True)
    allowed = [each[core] for core in _allowed() if core < len(each)]
    share = sum(allowed) / (100 * len(allowed)) if allowed else 0.0
    cores = usable_cores()
    return threads(cores, share * cores)


def _allowed() -> list[int]:
    """Return the numbers of the logical cores that this process may run on."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return list(range(os.cpu_count() or 1))
