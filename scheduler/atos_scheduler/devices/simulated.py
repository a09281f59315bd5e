"""A device made of numbers, for tests and `ATOS_SIMULATE=1`."""

from __future__ import annotations

from typing import Literal

from atos_protocol.errors import UnreachableError
from atos_scheduler.devices.protocol import Reading

GIB = 2**30


class SimulatedDevice:
    """Has a configured amount of memory; a test may let others use some, or make it fail."""

    kind: Literal["simulated"] = "simulated"

    def __init__(self, total: int = 6 * GIB, name: str = "simulated:0", reserve: int = 0) -> None:
        self.name = name
        self.reserve = reserve
        self.total = total
        self.foreign = 0
        self.failure = ""

    async def read(self, ours: int) -> Reading:
        """Return what was set.

        Raises:
            UnreachableError: `failure` says why.
        """
        if self.failure:
            raise UnreachableError(self.failure)
        return Reading(self.total, max(0, self.total - self.foreign - ours), self.foreign)

    async def release(self) -> None:
        """Do nothing: there is no driver."""
