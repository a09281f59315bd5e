"""Which model to load next, so that all known work needs the fewest seconds of loading. Pure.

A loaded model serves everything that is ready for it and all that becomes ready by that; then another one must
be loaded. The order of loads decides how often each model comes. A bounded depth-first search over that order
starts with the order of the demands, so its answer is never worse than theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

HORIZON = 64
"""Pieces of work looked at: those that wait first."""
MOST_STATES = 150
"""Loads tried in one search, which bounds its time to a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Work:
    """One request that waits or will come."""

    models: frozenset[str]
    after: int
    """Bits of the works that must be done before."""


@dataclass(frozen=True, slots=True)
class Room:
    """The memory of one device, in bytes."""

    budget: int
    sizes: Mapping[str, int]
    seconds: Mapping[str, float]
    """What loading each model takes, the eviction before it included."""


class Search:
    """One search; `best` is the cheapest order of loads found so far.

    Works that are alike, in their models and in what must be done before, are done together: they are one.
    """

    def __init__(self, works: Sequence[Work], room: Room) -> None:
        self._room = room
        self._after = list[int]()
        """What must be done before each group, as bits of groups."""
        self._sizes = list[int]()
        """How many works each group has."""
        self._of = dict[str, int]()
        """Model -> the groups that it could do, as bits."""
        self._group(works[:HORIZON])
        self._states = 0
        self._seen: dict[tuple[int, frozenset[str]], float] = {}
        self.best: tuple[float, tuple[str, ...]] = (float("inf"), ())

    def _group(self, works: Sequence[Work]) -> None:
        known = dict[tuple[frozenset[str], int], int]()
        group_of = list[int]()
        for work in works:
            after = 0
            for place in _bits(work.after):
                after |= 1 << group_of[place]
            number = known.setdefault((work.models, after), len(known))
            group_of.append(number)
            if number == len(self._sizes):
                self._sizes.append(0)
                self._after.append(after)
                for model in work.models:
                    self._of[model] = self._of.get(model, 0) | 1 << number
            self._sizes[number] += 1
        self._all = (1 << len(self._sizes)) - 1

    def run(self, resident: frozenset[str]) -> tuple[str, ...]:
        """Return the models to load in turn; empty if nothing needs a load."""
        self._visit(0, resident, 0.0, ())
        return self.best[1]

    def _visit(
        self, done: int, resident: frozenset[str], spent: float, path: tuple[str, ...]
    ) -> None:
        done = self._serve(done, resident)
        ready = self._ready(done)
        if not ready:
            if spent < self.best[0]:
                self.best = spent, path
            return
        self._states += 1
        if self._states > MOST_STATES and self.best[1]:
            return
        if self._seen.get((done, resident), float("inf")) <= spent:
            return
        self._seen[done, resident] = spent
        for model in ready:
            cost = spent + self._room.seconds[model]
            if cost < self.best[0]:
                self._visit(done, self._beside(model, resident, done), cost, (*path, model))

    def _serve(self, done: int, resident: frozenset[str]) -> int:
        """Do everything that the resident models can do without another load."""
        able = 0
        for model in resident:
            able |= self._of.get(model, 0)
        before = -1
        while done != before:
            before = done
            for number in _bits(able & ~done):
                if not self._after[number] & ~done:
                    done |= 1 << number
        return done

    def _ready(self, done: int) -> list[str]:
        """Return the models that ready work needs, in the order of that work."""
        ready = 0
        for number in _bits(self._all & ~done):
            if not self._after[number] & ~done:
                ready |= 1 << number
        found = [(of & ready, m) for m, of in self._of.items() if m in self._room.seconds]
        return [m for _, m in sorted((bits & -bits, m) for bits, m in found if bits)]

    def _beside(self, model: str, resident: frozenset[str], done: int) -> frozenset[str]:
        """Return what is resident after a load: those that are needed least go for it."""
        kept, sizes = set(resident), self._room.sizes
        used = sum(sizes.get(m, 0) for m in kept) + sizes[model]
        if used > self._room.budget:
            order = sorted(kept, key=lambda m: (self._needed(m, done), m))
            for victim in order:
                kept.discard(victim)
                used -= sizes.get(victim, 0)
                if used <= self._room.budget:
                    break
        return frozenset(kept | {model})

    def _needed(self, model: str, done: int) -> int:
        """Return how many works that are not done a model could do."""
        return sum(self._sizes[number] for number in _bits(self._of.get(model, 0) & ~done))


def _bits(mask: int) -> Iterator[int]:
    """Iterate over the places of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
