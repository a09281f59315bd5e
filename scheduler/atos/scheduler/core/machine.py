"""The scheduler's state machine: events in, effects out, no clock, socket or thread.

A demand waits until one of its models is resident with a free slot, and holds that slot until its
request is over::

    Requested ──▶ waiting ──(slot free)──▶ Grant ──▶ held ──Released──▶ (gone)
        │            │                                 │
        │            ├──Released────▶ (gone)           └──EngineLost──▶ Revoke
        │            ├──deadline────▶ Refuse
        └────────────┴──no model can do it──▶ Refuse

Where memory is short, the first demand that needs a model which is not there makes a *claim*: the
models that must go for it take no new lease, are evicted as they fall idle, and once their bytes
are back the claimed model is loaded. There is one claim at a time, and nobody behind it may load:
so it can't be starved, and it needs no lock. A demand never holds one model while it waits for
another, so there is no deadlock.

What holds after every event (tests/scheduler/core/test_core_machine.py):

1. a Load never takes the committed bytes above the budget, evicting bytes included;
2. a lease is granted only on a resident model with a free slot;
3. a model with leases is never evicted;
4. every demand is granted, refused or withdrawn, as long as engines answer and requests end;
5. a timer is set whenever a demand waits.

The shell feeds events one at a time, so nothing here locks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from atos.scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos.scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    ForeignChanged,
    Loaded,
    LoadFailed,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos.scheduler.core.memory import Memory
from atos.scheduler.core.policy import Claim, eviction_order, patience_ends, victims
from atos.scheduler.core.queue import Queue
from atos.scheduler.core.types import Candidate, Reason, Waiter, size_text

BINDINGS = 4096
"""How many tasks' models are remembered; the oldest are forgotten first."""


class Core:
    """All that the scheduler knows about one budget. Mutated only by `handle`."""

    def __init__(self, budget: int) -> None:
        self.memory = Memory(budget)
        self.queue = Queue()
        self.held: dict[str, str] = {}
        """Lease -> model that answers it."""
        self.claim: Claim | None = None
        self.timer: float | None = None
        self._bindings: dict[tuple[str, str, str, str], str] = {}

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Apply one event; return what the shell must now do, in order."""
        effects = list(self._apply(event, now))
        effects += self._expire(now)
        while True:
            self._review_claim()
            effects += self._grant_all(now)
            self._relieve()
            effects += self._evict_retiring()
            if (load := self._load_next(now, effects)) is None:
                break
            effects.append(load)
        effects += self._set_timer(now)
        return effects

    def _apply(self, event: Event, now: float) -> Iterator[Effect]:
        match event:
            case Requested():
                yield from self._enqueue(event, now)
            case Released(lease):
                self.queue.remove(lease)
                self._release(lease, now)
            case Loaded() | LoadFailed() | Evicted() | EngineLost():
                yield from self._hear_engine(event, now)
            case Adopted(candidate):
                self._adopt(candidate, now)
            case UnloadAsked(model):
                if found := self.memory.residencies.get(model):
                    found.retiring = True
            case ForeignChanged(budget):
                self.memory.budget = min(budget, self.memory.ceiling)
            case Tick():
                self.timer = None
            case _:
                assert_never(event)

    def _hear_engine(
        self, event: Loaded | LoadFailed | Evicted | EngineLost, now: float
    ) -> Iterator[Effect]:
        match event:
            case Loaded(model, measured):
                if model in self.memory.residencies:
                    self.memory.loaded(model, measured, now)
                    yield from self._refuse_if_too_large(model)
            case LoadFailed(model, reason):
                self.memory.drop(model)
                yield from self._rule_out(model, reason)
            case Evicted(model):
                self.memory.drop(model)
            case EngineLost(model, reason):
                yield from self._lose(model, reason)

    def _enqueue(self, event: Requested, now: float) -> Iterator[Effect]:
        fitting = tuple(c for c in event.candidates if self.memory.size(c) <= self.memory.ceiling)
        if not fitting:
            yield Refuse(event.lease, self._too_large(event.candidates))
            return
        self.queue.add(Waiter(event.lease, fitting, event.demand, event.pool, now, event.deadline))

    def _too_large(self, candidates: tuple[Candidate, ...]) -> Reason:
        needs = ", ".join(f"{c.model} needs {size_text(self.memory.size(c))}" for c in candidates)
        return Reason(
            "refused",
            f"{needs or 'no model'}; the budget is {size_text(self.memory.ceiling)}",
            "Use a smaller model, a smaller context or fewer slots, or raise ATOS_BUDGET.",
        )

    def _release(self, lease: str, now: float) -> None:
        model = self.held.pop(lease, None)
        if model is not None and (found := self.memory.residencies.get(model)):
            found.leases.discard(lease)
            found.last_used = now

    def _refuse_if_too_large(self, model: str) -> Iterator[Effect]:
        """Send a model away that turned out larger than everything there is."""
        found = self.memory.residencies[model]
        if found.bytes > self.memory.ceiling:
            found.retiring = True
            yield from self._rule_out(
                model, self._too_large((Candidate(model, found.bytes, found.slots),))
            )

    def _rule_out(self, model: str, reason: Reason) -> Iterator[Effect]:
        """Let nobody wait for this model any longer; refuse those who have no other."""
        self._bindings = {key: m for key, m in self._bindings.items() if m != model}
        for waiter in self.queue:
            rest = tuple(c for c in waiter.candidates if c.model != model)
            if not rest:
                self.queue.remove(waiter.lease)
                yield Refuse(waiter.lease, reason)
            elif len(rest) < len(waiter.candidates):
                self.queue.replace(replace(waiter, candidates=rest))

    def _lose(self, model: str, reason: Reason) -> Iterator[Effect]:
        found = self.memory.residencies.get(model)
        if found is None or found.state != "resident":
            return  # a load or an eviction under way reports its own end
        lost = self.memory.residencies.pop(model)
        for lease in sorted(lost.leases):
            del self.held[lease]
            yield Revoke(lease, reason)

    def _adopt(self, candidate: Candidate, now: float) -> None:
        if candidate.model not in self.memory.residencies:
            self.memory.begin(candidate, now)
            self.memory.loaded(candidate.model, candidate.bytes, now)

    def _expire(self, now: float) -> Iterator[Effect]:
        for waiter in self.queue:
            if waiter.deadline <= now:
                self.queue.remove(waiter.lease)
                waited = now - waiter.since
                names = ", ".join(c.model for c in waiter.candidates)
                message = f"no model was free within {waited:.1f} s (asked for {names})"
                step = "Allow more time in x-atos-deadline, or send less at once."
                yield Refuse(waiter.lease, Reason("deadline", message, step))

    def _options(self, waiter: Waiter) -> tuple[Candidate, ...]:
        """Return the models this demand may be bound to: the one its task has, else all."""
        bound = self._bindings.get(waiter.binding) if waiter.binding else None
        kept = tuple(c for c in waiter.candidates if c.model == bound)
        return kept or waiter.candidates

    def _is_open(self, model: str) -> bool:
        """Tell whether a model takes new leases: coming or there, and not claimed away."""
        claimed = self.claim is not None and model in self.claim.victims
        return not claimed and self.memory.is_coming(model)

    def _grant_all(self, now: float) -> Iterator[Effect]:
        for waiter in self.queue:
            for candidate in self._options(waiter):
                found = self.memory.residencies.get(candidate.model)
                if (
                    found is not None
                    and found.state == "resident"
                    and self._is_open(found.model)
                    and len(found.leases) < found.slots
                ):
                    yield self._grant(waiter, found.model, now)
                    break

    def _grant(self, waiter: Waiter, model: str, now: float) -> Grant:
        self.queue.remove(waiter.lease)
        self.held[waiter.lease] = model
        found = self.memory.residencies[model]
        found.leases.add(waiter.lease)
        found.last_used = now
        if waiter.binding:
            self._bindings.pop(waiter.binding, None)
            self._bindings[waiter.binding] = model
            if len(self._bindings) > BINDINGS:
                del self._bindings[next(iter(self._bindings))]
        return Grant(waiter.lease, model, now - waiter.since)

    def _relieve(self) -> None:
        """Retire models, idle ones first, until what stays is within the budget again."""
        memory = self.memory
        for residency in eviction_order(memory.residencies.values()):
            if memory.committed - memory.leaving <= memory.budget:
                return
            residency.retiring = True

    def _evict_retiring(self) -> Iterator[Effect]:
        claimed = self.claim.victims if self.claim else set[str]()
        for found in self.memory.residencies.values():
            if found.idle and (found.retiring or found.model in claimed):
                found.state = "evicting"
                yield Evict(found.model)

    def _review_claim(self) -> None:
        """Give a claim up if its demand is gone, is served otherwise, or can't be met any more."""
        if self.claim is None:
            return
        waiter = self.queue.get(self.claim.lease)
        if (
            waiter is None
            or self.claim.candidate not in self._options(waiter)
            or any(self._is_open(c.model) for c in self._options(waiter))
            or self.memory.size(self.claim.candidate) > self.memory.budget
        ):
            self.claim = None

    def _head(self) -> tuple[Waiter, Candidate] | None:
        """Return the first demand that needs a model which is neither there nor coming."""
        for waiter in self.queue:
            options = self._options(waiter)
            if any(self._is_open(c.model) for c in options):
                continue
            for candidate in options:
                # What other programs hold may come back: such a demand waits, but blocks nobody.
                if self.memory.size(candidate) <= self.memory.budget:
                    return waiter, candidate
        return None

    def _load_next(self, now: float, effects: list[Effect]) -> Load | None:
        """Carry the claim on, or make one; return the load that there is room for, if any."""
        if self.claim is None and (head := self._head()) is not None:
            waiter, candidate = head
            wanted = self.memory.size(candidate)
            chosen = victims(self.memory, wanted, drain=now >= patience_ends(waiter))
            if chosen is not None:
                self.claim = Claim(waiter.lease, candidate, chosen)
        if self.claim is None:
            return None
        self._top_up(self.claim)
        effects += self._evict_retiring()
        candidate = self.claim.candidate
        gone = candidate.model not in self.memory.residencies
        if not gone or self.memory.free < self.memory.size(candidate):
            return None
        self.memory.begin(candidate, now)
        self.claim = None
        return Load(candidate.model)

    def _top_up(self, claim: Claim) -> None:
        """Add victims to a claim that no longer has enough, since the budget or a charge moved."""
        chosen = victims(self.memory, self.memory.size(claim.candidate), drain=True)
        held = [self.memory.residencies.get(v) for v in claim.victims]
        room = self.memory.free + self.memory.leaving
        room += sum(v.bytes for v in held if v and v.state == "resident" and not v.retiring)
        if chosen is not None and room < self.memory.size(claim.candidate):
            claim.victims |= chosen

    def _set_timer(self, now: float) -> Iterator[Effect]:
        moments = [w.deadline for w in self.queue]
        if self.claim is None and (head := self._head()) and patience_ends(head[0]) > now:
            moments.append(patience_ends(head[0]))
        earliest = min(moments, default=None)
        if earliest != self.timer:
            self.timer = earliest
            yield SetTimer(earliest)
