"""Who gets a slot now, and what is loaded and evicted for those who can't have one yet.

`decide` repeats three steps until nothing more follows from the present state: grant every slot
that is free, evict what must go, and load for the first demand whose model is not there.

Where memory is short, that demand makes a *claim*: the models that must go for it take no new
lease, are evicted as they fall idle, and once their bytes are back the claimed model is loaded.
There is one claim at a time, and nobody behind it may load: so it can't be starved by smaller
demands, and it needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterator

from atos_scheduler.core.bindings import Bindings
from atos_scheduler.core.effects import Effect, Evict, Grant, Load
from atos_scheduler.core.memory import Memory
from atos_scheduler.core.policy import Claim, eviction_order, patience_ends, top_up, victims
from atos_scheduler.core.queue import Queue
from atos_scheduler.core.types import Candidate, Waiter


class Admission:
    """The part of the core that decides; it changes memory and queue as it does."""

    def __init__(self, memory: Memory, queue: Queue) -> None:
        self.held: dict[str, str] = {}
        """Lease -> model that answers it."""
        self.claim: Claim | None = None
        self.bindings = Bindings()
        self._memory = memory
        self._queue = queue

    def decide(self, now: float) -> list[Effect]:
        """Grant, evict and load whatever the present state allows."""
        effects = list[Effect]()
        while True:
            self._review_claim()
            effects += self._grant_all(now)
            self._relieve()
            self._claim_for_the_head(now)
            effects += self._evict()
            if (load := self._load_claimed(now)) is None:
                return effects
            effects.append(load)

    def patience_ends(self, now: float) -> float | None:
        """Return the moment, if there is one to come, at which a waiting demand may claim more."""
        if self.claim is not None or (head := self._head()) is None:
            return None
        moment = patience_ends(head[0])
        return moment if moment > now else None

    def _options(self, waiter: Waiter) -> tuple[Candidate, ...]:
        return self.bindings.options(waiter, self._memory)

    def _is_open(self, model: str) -> bool:
        """Tell whether a model takes new leases: coming or there, and not claimed away."""
        claimed = self.claim is not None and model in self.claim.victims
        return not claimed and self._memory.is_coming(model)

    def _has_slot(self, model: str) -> bool:
        found = self._memory.residencies.get(model)
        if found is None or found.state != "resident" or not self._is_open(model):
            return False
        return len(found.leases) < found.slots

    def _grant_all(self, now: float) -> Iterator[Effect]:
        for waiter in self._queue:
            names = (candidate.model for candidate in self._options(waiter))
            if (model := next(filter(self._has_slot, names), None)) is not None:
                yield self._grant(waiter, model, now)

    def _grant(self, waiter: Waiter, model: str, now: float) -> Grant:
        self._queue.remove(waiter.lease)
        self.held[waiter.lease] = model
        found = self._memory.residencies[model]
        found.leases.add(waiter.lease)
        found.last_used = now
        self.bindings.bind(waiter, model)
        return Grant(waiter.lease, model, now - waiter.since)

    def _relieve(self) -> None:
        """Retire models, idle ones first, until what stays is within the budget again."""
        memory = self._memory
        for residency in eviction_order(memory.residencies.values()):
            if memory.committed - memory.leaving <= memory.budget:
                return
            residency.retiring = True

    def _evict(self) -> Iterator[Effect]:
        claimed = self.claim.victims if self.claim else set[str]()
        for found in self._memory.residencies.values():
            if found.idle and (found.retiring or found.model in claimed):
                found.state = "evicting"
                yield Evict(found.model)

    def _review_claim(self) -> None:
        """Give a claim up if its demand is gone, wants another model, or can't be met any more."""
        if self.claim is None:
            return
        waiter = self._queue.get(self.claim.lease)
        if (
            waiter is None
            or self.claim.candidate not in self._options(waiter)
            or self._memory.size(self.claim.candidate) > self._memory.budget
        ):
            self.claim = None

    def _head(self) -> tuple[Waiter, Candidate] | None:
        """Return the first demand that needs a model which is neither there nor coming."""
        for waiter in self._queue:
            options = self._options(waiter)
            if any(self._is_open(c.model) for c in options):
                continue
            for candidate in options:
                # What other programs hold may come back: such a demand waits, but blocks nobody.
                if self._memory.size(candidate) <= self._memory.budget:
                    return waiter, candidate
        return None

    def _claim_for_the_head(self, now: float) -> None:
        """Make a claim if somebody needs one, or see that the present one is enough."""
        if self.claim is not None:
            top_up(self._memory, self.claim)
        elif (head := self._head()) is not None:
            waiter, candidate = head
            drain = now >= patience_ends(waiter)
            chosen = victims(self._memory, self._memory.size(candidate), drain=drain)
            if chosen is not None:
                self.claim = Claim(waiter.lease, candidate, chosen)

    def _load_claimed(self, now: float) -> Load | None:
        """Begin the claimed load once its bytes are free and no old instance is left."""
        if self.claim is None:
            return None
        candidate = self.claim.candidate
        here = candidate.model in self._memory.residencies
        if here or self._memory.free < self._memory.size(candidate):
            return None
        self._memory.begin(candidate, now)
        self.claim = None
        return Load(candidate.model)
