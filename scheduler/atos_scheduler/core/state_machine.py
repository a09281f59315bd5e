"""The scheduler's state machine: events in, effects out, no clock, socket or thread.

A demand waits until one of its models is resident with a free slot, and holds that slot until its
request is over::

    Requested ──▶ waiting ──(slot free)──▶ Grant ──▶ held ──Released──▶ (gone)
        │            │                                 │
        │            ├──Released────▶ (gone)           └──EngineLost──▶ Revoke
        │            ├──deadline────▶ Refuse
        └────────────┴──no model can do it──▶ Refuse

What a model goes through is in `memory`, who is granted, evicted and loaded for in `admission`. A
demand never holds one model while it waits for another, so there is no deadlock.

What holds after every event (tests/scheduler/core/test_core_machine.py, and for 4 also
test_core_liveness.py):

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

from atos_scheduler.core.admission import Admission
from atos_scheduler.core.effects import Effect, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
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
from atos_scheduler.core.memory import Memory
from atos_scheduler.core.queue import Queue
from atos_scheduler.core.types import Candidate, Reason, Waiter, size_text


class Core:
    """All that the scheduler knows about one budget. Mutated only by `handle`."""

    def __init__(self, budget: int) -> None:
        self.memory = Memory(budget)
        self.queue = Queue()
        self.timer: float | None = None
        self._admission = Admission(self.memory, self.queue)

    @property
    def held(self) -> dict[str, str]:
        """Lease -> model that answers it."""
        return self._admission.held

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Apply one event; return what the shell must now do, in order."""
        effects = list(self._apply(event, now))
        effects += self._expire(now)
        effects += self._admission.decide(now)
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
        self._admission.bindings.forget(model)
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

    def _set_timer(self, now: float) -> Iterator[Effect]:
        moments = [w.deadline for w in self.queue]
        if (patience := self._admission.patience_ends(now)) is not None:
            moments.append(patience)
        earliest = min(moments, default=None)
        if earliest != self.timer:
            self.timer = earliest
            yield SetTimer(earliest)
