"""Numbers that depend on a seed and a name, and on nothing else: taking one thing away leaves the others as they were."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TypeVar
from zlib import crc32

Value = TypeVar("Value")

_MASK = (1 << 64) - 1


@cache
def _checksum(name: str) -> int:
    return crc32(name.encode())


class Chance:
    """Streams of numbers in [0, 1), one for each name."""

    def __init__(self, seed: int) -> None:
        self._seed = (seed * 0x9E3779B97F4A7C15) & _MASK
        self._drawn: defaultdict[str, int] = defaultdict(int)

    def number(self, name: str) -> float:
        """Return the next number of a stream."""
        self._drawn[name] += 1
        mixed = (self._seed ^ _checksum(name) ^ (self._drawn[name] << 32)) & _MASK
        for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
            mixed = ((mixed ^ (mixed >> 30)) * factor) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)

    def between(self, name: str, least: float, most: float) -> float:
        """Return a number between two others."""
        return least + (most - least) * self.number(name)

    def pick(self, name: str, choices: Sequence[Value]) -> Value:
        """Return one of several."""
        return choices[int(self.number(name) * len(choices))]

    def seconds(self, name: str) -> float:
        """Return how long a small thing takes: nothing worth telling, milliseconds, now and then seconds."""
        number = self.number(name)
        if number < 0.4:
            return 0.0
        return 0.03 * number if number < 0.98 else 75 * (number - 0.98)
