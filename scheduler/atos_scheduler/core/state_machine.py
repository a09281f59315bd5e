"""The scheduler's state machine: events in, effects out, no clock, socket or thread.

A demand waits until one of its models is resident with a free slot, and holds that slot until its
request is over. The states of demands and residencies are tables in `transitions`; who is granted,
evicted and loaded for is decided in `admission`. A demand never holds one model while it waits for
another, so there is no deadlock.

What holds after every event (tests/scheduler/core/test_core_machine.py, and for 4 also
test_core_liveness.py):

1. a Load never takes the committed bytes above the budget, evicting bytes included;
2. a lease is granted only on a resident model with a free slot;
3. a model with leases is never evicted;
4. every demand is granted, refused or withdrawn, as long as engines answer and requests end;
5. a timer is set whenever a demand waits;
6. the same events at the same moments have the same effects.

The shell feeds events one at a time, so nothing here locks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from atos_scheduler.core.admission import Admission
from atos_scheduler.core.choices import Choice
from atos_scheduler.core.demands import Demands
from atos_scheduler.core.effects import Effect, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    ForeignChanged,
    Loaded,
    LoadFailed,
    Measured,
    PlanPublished,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos_scheduler.core.load_times import LoadTimes
from atos_scheduler.core.memory import Memory
from atos_scheduler.core.receipts import Receipts
from atos_scheduler.core.types import HOST, Candidate, Reason, Waiter, size_text

HISTORY = 1000
"""Steps remembered."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event, its moment, and what followed from it."""

    now: float
    event: Event
    effects: tuple[Effect, ...]
    seq: int = 0
    """Counts from 1."""
    choices: tuple[Choice, ...] = ()
    """Why: what else there was."""


class Core:
    """All that the scheduler knows about one budget. Changed by `handle` only."""

    def __init__(self, budget: int | Mapping[str, int], history: int = HISTORY) -> None:
        self.memory = Memory(budget)
        self.demands = Demands()
        self.timer: float | None = None
        self.history = deque[Step](maxlen=history)
        self.receipts = Receipts()
        self.loads: dict[str, Choice] = {}
        """Model -> the choice by which it was loaded last."""
        self._seq = 0
        self._admission = Admission(self.memory, self.demands)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Apply one event; return what the shell must do now, in order."""
        self._admission.plans.expire(now)
        effects = list(self._apply(event, now))
        effects += self._expire(now)
        effects += self._admission.decide(now)
        effects += self._set_timer(now)
        self._record(event, effects, now)
        return effects

    @property
    def load_times(self) -> LoadTimes:
        """How long models took to load."""
        return self._admission.times

    def _record(self, event: Event, effects: list[Effect], now: float) -> None:
        choices, self._admission.choices = tuple(self._admission.choices), []
        self._seq += 1
        self.history.append(Step(now, event, tuple(effects), self._seq, choices))
        match event:
            case Requested() if event.candidates:
                self.receipts.requested(event, self.memory.charges(event.candidates[0]))
            case Loaded():
                self.receipts.loaded(event, now)
            case Released(lease):
                self.receipts.ended(lease)
            case _:
                pass
        for effect in effects:
            if isinstance(effect, Refuse | Revoke):  # nothing is released after it
                self.receipts.ended(effect.lease)
        for choice in choices:
            if choice.kind == "load":
                self.receipts.loading(choice.lease, choice.chosen, now)
                self.loads[choice.chosen] = choice

    def validate(self) -> list[str]:
        """Return what contradicts what must always hold: nothing, unless this has a bug."""
        memory, wrong = self.memory, list[str]()
        for name, found in memory.residencies.items():
            held = {lease for lease, model in self.demands.held.items() if model == name}
            if found.leases != held:
                wrong.append(f"{name} has leases {sorted(found.leases)}, demands {sorted(held)}")
            if len(found.leases) > found.slots or (found.leases and found.state != "resident"):
                wrong.append(f"{name} is {found.state} with {len(found.leases)} of {found.slots}")
            if found.bytes != sum(found.charges.values()):
                wrong.append(f"{name} is charged {found.bytes} bytes, its devices {found.charges}")
        if any(room < 0 for room in memory.room().values()) and any(
            found.state == "resident" and not found.retiring and found.bytes
            for found in memory.residencies.values()
        ):
            over = {d: room for d, room in memory.room().items() if room < 0}
            wrong.append(f"over the budget by {over}, and not everything that may go is going")
        if any(True for _ in self.demands) and self.timer is None:
            wrong.append("a demand waits without a timer")
        return wrong

    def story(self, model: str) -> list[Step]:
        """Return the remembered steps that concern a model, oldest first."""
        return [step for step in self.history if _concerns(step, model)]

    def _apply(self, event: Event, now: float) -> Iterator[Effect]:
        match event:
            case Requested():
                yield from self._enqueue(event, now)
            case Released(lease):
                self._release(lease, now)
            case Loaded() | LoadFailed() | Evicted() | EngineLost():
                yield from self._apply_engine_event(event, now)
            case Adopted(candidate):
                if candidate.model not in self.memory.residencies:
                    self.memory.charge(candidate, Adopted, now)
                    total = candidate.bytes + candidate.host
                    self.memory.measure(candidate.model, total, candidate.host)
            case Measured(model, size, host):
                found = self.memory.residencies.get(model)
                if found is not None and found.state == "resident":
                    self.memory.measure(model, size, host)
                    yield from self._refuse_if_too_large(model)
            case UnloadAsked(model):
                if found := self.memory.residencies.get(model):
                    found.retiring = True
            case ForeignChanged() | PlanPublished() | Tick():
                self._apply_news(event, now)
            case _:
                assert_never(event)

    def _apply_news(self, event: ForeignChanged | PlanPublished | Tick, now: float) -> None:
        match event:
            case ForeignChanged(budget, device):
                self.memory.set_budget(device, budget)
            case PlanPublished(goal, steps, until):
                self._admission.plans.publish(goal, steps, until, now)
            case Tick():
                self.timer = None

    def _apply_engine_event(
        self, event: Loaded | LoadFailed | Evicted | EngineLost, now: float
    ) -> Iterator[Effect]:
        match event:
            case Loaded(model, measured, host):
                self.load_times.end(model, now)
                if found := self.memory.move(model, Loaded):
                    found.last_used = found.loaded_at = now
                    self.memory.measure(model, measured, host)
                    yield from self._refuse_if_too_large(model)
            case LoadFailed(model, reason):
                self.memory.move(model, LoadFailed)
                yield from self._exclude(model, reason)
            case Evicted(model):
                self.memory.move(model, Evicted)
            case EngineLost(model, reason):
                # nothing moves while it loads or is evicted: either reports its own end
                if lost := self.memory.move(model, EngineLost):
                    for lease in sorted(lost.leases):
                        self.demands.move(lease, Revoke)
                        self._admission.released(lease, model, now)
                        yield Revoke(lease, reason)

    def _enqueue(self, event: Requested, now: float) -> Iterator[Effect]:
        fitting = tuple(c for c in event.candidates if self.memory.fits_ever(c))
        if not fitting:
            yield self._refuse(event.lease, self._too_large(event.candidates))
            return
        models = tuple(c.model for c in fitting)
        self._admission.asked(event.demand, models, now)
        self.demands.add(
            Waiter(event.lease, fitting, event.demand, event.pool, now, event.deadline)
        )

    def _too_large(self, candidates: tuple[Candidate, ...]) -> Reason:
        needs = ", ".join(f"{c.model} needs {self._sizes(c)}" for c in candidates)
        devices = {d for c in candidates for d in self.memory.charges(c)} or {self.memory.first}
        most = ", ".join(_on(self.memory.ceilings.get(d, 0), d) for d in sorted(devices))
        return Reason(
            "refused",
            f"{needs or 'no model'}; the budget is {most}",
            "Use a smaller model, a smaller context or fewer slots, or raise ATOS_BUDGET.",
        )

    def _sizes(self, candidate: Candidate) -> str:
        return " and ".join(_on(size, d) for d, size in self.memory.charges(candidate).items())

    def _release(self, lease: str, now: float) -> None:
        if self.demands.state(lease) == "absent":
            return
        model = self.demands.move(lease, Released)
        self._admission.released(lease, model, now)
        if model is not None and (found := self.memory.residencies.get(model)):
            found.leases.discard(lease)
            found.last_used = now

    def _refuse_if_too_large(self, model: str) -> Iterator[Effect]:
        """Retire a model that turned out to need more than there is."""
        found = self.memory.residencies[model]
        if not self.memory.possible(found):
            found.retiring = True
            device, size = next(iter(found.charges.items()))
            host = found.charges.get(HOST, 0) if device != HOST else 0
            candidate = Candidate(model, size, found.slots, device, host)
            yield from self._exclude(model, self._too_large((candidate,)))

    def _exclude(self, model: str, reason: Reason) -> Iterator[Effect]:
        """Let no demand wait for this model any longer; refuse those that have no other."""
        self._admission.bindings.forget(model)
        for waiter in self.demands:
            rest = tuple(c for c in waiter.candidates if c.model != model)
            if not rest:
                yield self._refuse(waiter.lease, reason)
            elif len(rest) < len(waiter.candidates):
                self.demands.replace(replace(waiter, candidates=rest))

    def _expire(self, now: float) -> Iterator[Effect]:
        earliest = self.demands.next_deadline()
        if earliest is None or earliest > now:
            return
        for waiter in self.demands:
            if waiter.deadline <= now:
                names = ", ".join(c.model for c in waiter.candidates)
                waited = now - waiter.since
                message = f"no model was free within {waited:.1f} s (asked for {names})"
                step = "Allow more time in x-atos-deadline, or send less at once."
                yield self._refuse(waiter.lease, Reason("deadline", message, step))

    def _refuse(self, lease: str, reason: Reason) -> Refuse:
        self.demands.move(lease, Refuse)
        return Refuse(lease, reason)

    def _set_timer(self, now: float) -> Iterator[Effect]:
        deadline = self.demands.next_deadline()
        moments = [] if deadline is None else [deadline]
        if (moment := self._admission.reconsider_at(now)) is not None:
            moments.append(moment)
        earliest = min(moments, default=None)
        if earliest != self.timer:
            self.timer = earliest
            yield SetTimer(earliest)


def _concerns(step: Step, model: str) -> bool:
    named = (step.event, *step.effects)
    asked = step.event.candidates if isinstance(step.event, Requested) else ()
    if any(getattr(one, "model", "") == model for one in (*named, *asked)):
        return True
    return any(
        model == o.model or model in (o.victims or ()) for c in step.choices for o in c.options
    )


def _on(size: int, device: str) -> str:
    return f"{size_text(size)} on {device}" if device else size_text(size)


def replay(budget: int | Mapping[str, int], history: Iterable[Step]) -> Core:
    """Feed recorded events to a new core, which then stands as the recorded one did.

    Raises:
        ValueError: an event has other effects than it had; the message names it.
    """
    core = Core(budget)
    for step in history:
        effects = core.handle(step.event, step.now)
        if tuple(effects) != step.effects:
            message = f"{step.event} at {step.now} had {step.effects}, now {effects}"
            raise ValueError(message)
    return core
