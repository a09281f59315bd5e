"""Which model to load next, so that all known work needs the fewest seconds of loading. Pure.

A loaded model serves everything that is ready for it and all that becomes ready by that; then another one must
be loaded. The order of loads decides how often each model comes. A bounded depth-first search over that order
starts with the order of the demands, so its answer is never worse than theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """One search; `best` is the cheapest order of loads found so far."""

    def __init__(self, works: Sequence[Work], room: Room) -> None:
        self._works, self._room = works[:HORIZON], room
        self._all = (1 << len(self._works)) - 1
        self._states = 0
        self._seen: dict[tuple[int, frozenset[str]], float] = {}
        self.best: tuple[float, tuple[str, ...]] = (float("inf"), ())

    def run(self, resident: frozenset[str], done: int = 0) -> tuple[str, ...]:
        """Return the models to load in turn; empty if nothing needs a load."""
        self._visit(done, resident, 0.0, ())
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
        left = [
            (1 << i, work.after)
            for i, work in enumerate(self._works)
            if not done >> i & 1 and work.models & resident
        ]
        before = -1
        while done != before:
            before = done
            for bit, after in left:
                if not after & ~done:
                    done |= bit
        return done

    def _ready(self, done: int) -> list[str]:
        """Return the models that ready work needs, in the order of that work."""
        found = dict[str, None]()
        for i, work in enumerate(self._works):
            if not done >> i & 1 and not work.after & ~done:
                found |= dict.fromkeys(m for m in work.models if m in self._room.seconds)
        return list(found)

    def _beside(self, model: str, resident: frozenset[str], done: int) -> frozenset[str]:
        """Return what is resident after a load: those that are needed least go for it."""
        kept, sizes = set(resident), self._room.sizes
        used = sum(sizes.get(m, 0) for m in kept) + sizes[model]
        if used > self._room.budget:
            needs = [w.models for i, w in enumerate(self._works) if not done >> i & 1]
            order = sorted(kept, key=lambda m: (sum(m in n for n in needs), m))
            for victim in order:
                kept.discard(victim)
                used -= sizes.get(victim, 0)
                if used <= self._room.budget:
                    break
        return frozenset(kept | {model})
