"""Statistics of counts: a share with its Wilson interval, and what one arm gains and loses on another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, with the 95 % Wilson interval, all as fractions."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share itself; 0 of nothing is 0."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval; of nothing it is everything."""
        if not self.of:
            return 0.0, 1.0
        spread = 1 + Z95**2 / self.of
        middle = (self.value + Z95**2 / (2 * self.of)) / spread
        variance = self.value * (1 - self.value) / self.of + Z95**2 / (4 * self.of**2)
        half = Z95 * math.sqrt(variance) / spread
        low = middle - half if self.hits else 0.0
        return low, middle + half if self.hits < self.of else 1.0

    def __str__(self) -> str:
        """Percent: `84 [73-91]`; `-` of nothing."""
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{100 * self.value:.0f} [{100 * low:.0f}-{100 * high:.0f}]"


@dataclass(frozen=True, slots=True)
class Paired:
    """Problems that one arm solves and the other doesn't, and the other way round."""

    gains: int
    losses: int

    def __str__(self) -> str:
        """`+8 -0`."""
        return f"+{self.gains} -{self.losses}"


def paired(mine: Sequence[bool], other: Sequence[bool]) -> Paired:
    """Compare two arms problem by problem.

    Raises:
        ValueError: they did not run on the same number of problems.
    """
    both = list(zip(mine, other, strict=True))
    return Paired(sum(m and not o for m, o in both), sum(o and not m for m, o in both))
