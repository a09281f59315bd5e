"""Who gets a slot now, and what is loaded and evicted for those who can't have one yet.

`decide` repeats three steps until nothing more follows from the present state: grant every slot
that is free, evict what must go, and load for the first demand whose model is absent.

Where memory is short, that demand makes a *claim*: the models that must go for it take no new
lease, are evicted as they fall idle, and once their bytes are back the claimed model is loaded.
There is one claim at a time, and nobody behind it may load: so it can't be starved by smaller
demands, and it needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.bindings import Bindings
from atos_scheduler.core.choices import Choice, Turn, options, why_loaded
from atos_scheduler.core.demands import Demands
from atos_scheduler.core.effects import Effect, Evict, Grant, Load
from atos_scheduler.core.further_slots import further_slots
from atos_scheduler.core.load_times import LoadTimes
from atos_scheduler.core.memory import Memory, fits
from atos_scheduler.core.outlook import Outlook
from atos_scheduler.core.plans import Plans
from atos_scheduler.core.policy import (
    Claim,
    MayGo,
    Tenure,
    anyone,
    eviction_order,
    left_beside,
    preferred_from,
    top_up,
    victims,
)
from atos_scheduler.core.rhythms import Rhythms
from atos_scheduler.core.types import Candidate, Waiter


class Admission:
    """The part of the core that decides; it changes memory and demands as it does."""

    def __init__(self, memory: Memory, demands: Demands) -> None:
        self.claim: Claim | None = None
        self.bindings = Bindings()
        self.times = LoadTimes()
        self._rhythms = Rhythms()
        self.plans = Plans()
        self._outlook = Outlook(self.plans, self.bindings, memory, self.times)
        self._tenure = Tenure(self._rhythms, self.plans, self.times)
        self._granted: dict[str, Demand] = {}
        """Held lease -> its demand."""
        self.choices: list[Choice] = []
        """Made since they were last taken."""
        self._memory = memory
        self._demands = demands

    def asked(self, demand: Demand, models: tuple[str, ...], now: float) -> None:
        """Note a request, before it waits."""
        self._rhythms.asked(demand, models, now)
        self.plans.asked(demand.goal, demand.task)

    def released(self, lease: str, model: str | None, now: float) -> None:
        """Note that a lease is over, or that a demand was withdrawn."""
        if model is not None and (demand := self._granted.pop(lease, None)) is not None:
            self._rhythms.released(demand, model, now)
            self.plans.ended(demand.goal, demand.task, now)

    def decide(self, now: float) -> list[Effect]:
        """Grant, evict and load whatever the present state allows."""
        effects = list[Effect]()
        while True:
            self._review_claim()
            effects += self._grant_all(now)
            self._retire_excess()
            self._claim_for_the_head(now)
            effects += self._evict()
            load = self._load_claimed(now) or self._load_past(now)
            if load is None:
                return effects
            effects.append(load)

    def reconsider_at(self, now: float) -> float | None:
        """Return the moment to come, if any, from which another model may go for the first demand."""
        if self.claim is not None or (head := self._head()) is None:
            return None
        here = eviction_order(self._memory.residencies.values())
        moments = [self._tenure.ends(residency, head[0]) for residency in here]
        moments += [self.plans.next_expected(now), preferred_from(head[0])]
        return min((m for m in moments if now < m < float("inf")), default=None)

    def _may_go(self, waiter: Waiter, now: float) -> MayGo:
        return lambda residency: self._tenure.ends(residency, waiter) <= now

    def _options(self, waiter: Waiter) -> tuple[Candidate, ...]:
        return self.bindings.options(waiter, self._memory)

    def _takes_leases(self, model: str) -> bool:
        """Return whether a model takes new leases: loading or resident, and not a victim of the claim."""
        claimed = self.claim is not None and model in self.claim.victims
        return not claimed and self._memory.accepts_leases(model)

    def _has_slot(self, model: str) -> bool:
        found = self._memory.residencies.get(model)
        if found is None or found.state != "resident" or not self._takes_leases(model):
            return False
        return len(found.leases) < found.slots

    def _grant_all(self, now: float) -> Iterator[Effect]:
        free = {model for model in self._memory.residencies if self._has_slot(model)}
        for waiter in self._demands.wanting(free):
            if not free:
                return
            names = (candidate.model for candidate in self._options(waiter))
            if (model := next((name for name in names if name in free), None)) is not None:
                yield self._grant(waiter, model, now)
                if not self._has_slot(model):
                    free.remove(model)

    def _grant(self, waiter: Waiter, model: str, now: float) -> Grant:
        if len(waiter.candidates) > 1:
            self._note_grant(waiter, model, now)
        self._demands.move(waiter.lease, Grant, model)
        found = self._memory.residencies[model]
        found.leases.add(waiter.lease)
        found.last_used = now
        found.interactive |= waiter.demand.kind == "interactive"
        self._granted[waiter.lease] = waiter.demand
        self._rhythms.granted(waiter.demand, model)
        self.bindings.bind(waiter, model)
        return Grant(waiter.lease, model, now - waiter.since)

    def _note_grant(self, waiter: Waiter, model: str, now: float) -> None:
        why = f"{model} was loaded and had a free slot after {now - waiter.since:.1f} s"
        found = options(waiter.candidates, self._memory, self.times, anyone)
        self.choices.append(Choice("grant", waiter.lease, model, why, found))

    def _note_load(
        self, waiter: Waiter, candidate: Candidate, now: float, turn: Turn = "first"
    ) -> None:
        bound = len(self._options(waiter)) < len(waiter.candidates)
        may_go = self._may_go(waiter, now)
        found = options(waiter.candidates, self._memory, self.times, may_go)
        why = why_loaded(waiter, now, turn, bound=bound)
        self.choices.append(Choice("load", waiter.lease, candidate.model, why, found))

    def _retire_excess(self) -> None:
        """Retire models, idle ones first, until what stays is within the budget again."""
        memory = self._memory
        for residency in eviction_order(memory.residencies.values()):
            over = {device for device, room in memory.room().items() if room < 0}
            if not over:
                return
            if over & residency.charges.keys():
                residency.retiring = True

    def _evict(self) -> Iterator[Effect]:
        claimed = self.claim.victims if self.claim else set[str]()
        for found in self._memory.residencies.values():
            if found.idle and (found.retiring or found.model in claimed):
                self._memory.move(found.model, Evict)
                yield Evict(found.model)

    def _review_claim(self) -> None:
        """Drop the claim if its demand is gone, wants another model, or can't be met any more."""
        if self.claim is None:
            return
        waiter = self._demands.get(self.claim.lease)
        if (
            waiter is None
            or self.claim.candidate not in self._options(waiter)
            or not self._memory.fits_now(self.claim.candidate)
        ):
            self.claim = None

    def _absent(self) -> Iterator[tuple[Waiter, Candidate]]:
        """Return the demands, in order, of which no model is resident or loading, and what to load for each."""
        for waiter in self._demands.differing():
            options = self._options(waiter)
            if any(self._takes_leases(c.model) for c in options):
                continue
            # Other programs may free memory again: such a demand waits, but blocks nobody.
            fitting = (c for c in options if self._memory.fits_now(c))
            if (candidate := next(fitting, None)) is not None:
                yield waiter, candidate

    def _head(self) -> tuple[Waiter, Candidate] | None:
        return next(self._absent(), None)

    def _claim_for_the_head(self, now: float) -> None:
        """Make a claim if a demand needs one, or extend the present one if it frees too little."""
        if self.claim is not None:
            top_up(self._memory, self.claim)
            return
        if (head := self._head()) and (found := self._first_to_load(head, now)):
            self._make_claim(*found, now)

    def _make_claim(self, waiter: Waiter, candidate: Candidate, now: float) -> None:
        may_go = self._may_go(waiter, now)
        chosen = victims(self._memory, self._memory.charges(candidate), may_go)
        if chosen is not None:
            head = self._head()
            turn = "first" if head and head[0] is waiter else "fewest"
            self._note_load(waiter, candidate, now, turn)
            self.claim = Claim(waiter.lease, candidate, chosen)

    def _first_to_load(
        self, head: tuple[Waiter, Candidate], now: float
    ) -> tuple[Waiter, Candidate] | None:
        """Return the demand to load for: the first, or for a while the one that saves most loads.

        None if that one is expected at any moment.
        """
        absent = {candidate.model: (waiter, candidate) for waiter, candidate in self._absent()}
        if now >= preferred_from(head[0]):
            return head
        if not any(self._could_load(w, c, now) for w, c in absent.values()):
            return head
        order = self._outlook.loads(self._demands, self._granted.values())
        if not order or order[0] in absent:
            return absent[order[0]] if order else head
        return None if self.plans.expected_until(order[0]) > now else head

    def _could_load(self, waiter: Waiter, candidate: Candidate, now: float) -> bool:
        charges = self._memory.charges(candidate)
        return victims(self._memory, charges, self._may_go(waiter, now)) is not None

    def _load_claimed(self, now: float) -> Load | None:
        """Start the claimed load once its bytes are free and no old instance is left."""
        if self.claim is None:
            return None
        candidate = self.claim.candidate
        here = candidate.model in self._memory.residencies
        if here or not fits(self._memory.charges(candidate), self._memory.free()):
            return None
        self.claim = None
        return self._load(candidate, now, self._further_slots(candidate))

    def _load(self, candidate: Candidate, now: float, further: int = 0) -> Load:
        self._memory.charge(candidate, Load, now, further)
        self.times.begin(candidate.model, now)
        return Load(candidate.model, candidate.slots + further if further else 0)

    def _further_slots(self, candidate: Candidate) -> int:
        """Return how many slots beyond its own a model should be loaded with."""
        if candidate.most_slots <= candidate.slots:
            return 0
        memory, model = self._memory, candidate.model
        waiting = sum(1 for _ in islice(self._demands.wanting({model}), candidate.most_slots))
        own = memory.charges(candidate)
        room = {device: free - own.get(device, 0) for device, free in memory.free().items()}
        waiting_for = [c for w, c in self._absent() if model not in w.models]
        planned = (s.candidates[0] for _, s in self.plans.remaining() if s.candidates)
        others = {c.model: c for c in (*waiting_for, *planned) if c.model != model}
        charges = [memory.charges(c) for m, c in others.items() if m not in memory.residencies]
        wanted = max(waiting, self.plans.ready_for(model))
        return further_slots(candidate, memory.device(candidate), wanted, room, charges)

    def _load_past(self, now: float) -> Load | None:
        """Load a model that fits the free bytes, past the demand that waits for room, if that loses nothing.

        What it takes is left over once the first demand's model is there, so that one isn't delayed.
        """
        first = self.claim or self._claim_to_come()
        if first is None:
            return None
        left, free = left_beside(self._memory, first), self._memory.free()
        for waiter, candidate in self._absent():
            charges = self._memory.charges(candidate)
            here = candidate.model in self._memory.residencies
            if candidate.model == first.candidate.model or here:
                continue
            if fits(charges, free) and fits(charges, left):
                self._note_load(waiter, candidate, now, "beside")
                return self._load(candidate, now)
        return None

    def _claim_to_come(self) -> Claim | None:
        """Return the claim that the first demand would make if every model might go."""
        if (head := self._head()) is None:
            return None
        waiter, candidate = head
        chosen = victims(self._memory, self._memory.charges(candidate), anyone)
        return None if chosen is None else Claim(waiter.lease, candidate, chosen)
