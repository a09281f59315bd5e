"""What the scheduler needs to know of a device, and the rule that turns a reading into a budget.

    foreign = total - free - ours          what other programs use
    budget  = total - foreign - reserve    what ATOS may commit, never below 0

`ours` is what the scheduler knows its residents occupy. It is handed in, because an engine's memory
may lie in a process that ATOS did not start, which the device can't tell apart from others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of a device, in bytes."""

    total: int
    free: int
    """What a program could still get now."""
    foreign: int
    """What programs other than ATOS's engines use."""


class Device(Protocol):
    """A memory that models can live in."""

    @property
    def name(self) -> str:
        """Stable name, such as `cuda:0` or `cpu`."""
        ...

    @property
    def kind(self) -> Literal["cuda", "cpu", "simulated"]:
        """What it is."""
        ...

    @property
    def reserve(self) -> int:
        """Bytes never committed, for what no estimate covers."""
        ...

    async def read(self, ours: int) -> Reading:
        """Read the device; `ours` is what ATOS's models occupy on it, in bytes.

        Raises:
            UnreachableError: the device or its driver does not answer.
        """
        ...

    async def release(self) -> None:
        """Close the driver while nothing happens, so that the device can sleep."""
        ...


def reading(total: int, free: int, ours: int) -> Reading:
    """Make a reading from what a device reports; measurements may contradict each other."""
    free = min(max(free, 0), total)
    return Reading(total, free, foreign=max(0, total - free - ours))


def budget(seen: Reading, reserve: int, limit: int = 0) -> int:
    """Return the bytes that ATOS may commit; `limit` is the person's own bound, 0 for none."""
    measured = max(0, seen.total - seen.foreign - reserve)
    return min(measured, limit) if limit else measured
