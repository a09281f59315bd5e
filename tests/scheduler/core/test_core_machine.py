"""The state machine under random callers, engines and foreign programs."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    ForeignChanged,
    Loaded,
    LoadFailed,
    PlanPublished,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos_scheduler.core.plans import PlannedStep
from atos_scheduler.core.state_machine import Core, replay
from atos_scheduler.core.types import Candidate, Reason

pytestmark = pytest.mark.timeout(120)  # seconds of wall on a loaded machine

BUDGET = 10
SIZES = {"s": 2, "m": 4, "l": 7, "xl": 10, "huge": 11}
SLOTS = {"s": 2, "m": 1, "l": 2, "xl": 1, "huge": 1}
CRASH = Reason("engine", "the engine crashed")
BROKEN = Reason("load_failed", "broken file")

models = st.sampled_from(sorted(SIZES))
choices = st.lists(models, min_size=1, max_size=3, unique=True)
demands = st.builds(
    Demand,
    goal=st.sampled_from(["", "g1"]),
    task=st.sampled_from(["t1", "t2"]),
    role=st.just("coder"),
    kind=st.sampled_from(["batch", "interactive"]),
    priority=st.integers(-3, 3),
)


class Machine(RuleBasedStateMachine):
    """Plays the shell: tracks what the effects told it, and checks every promise as it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Core(BUDGET)
        self.clock = 0.0
        self.asked = 0
        self.waiting = set[str]()
        self.held = dict[str, str]()
        self.loading = set[str]()
        self.resident = set[str]()
        self.evicting = set[str]()
        self.timer: float | None = None
        self.largest = dict(SIZES)
        """What every model must be charged: its estimate, or the most that was measured."""

    def feed(self, event: Event) -> None:
        for effect in self.core.handle(event, self.clock):
            self.obey(effect)

    def obey(self, effect: Effect) -> None:
        match effect:
            case Load(model):
                assert model not in self.loading | self.resident | self.evicting
                self.loading.add(model)
                assert self.occupied() <= self.core.memory.budget, "never above the budget"
            case Evict(model):
                assert model in self.resident
                assert model not in self.held.values(), "a model with leases is never evicted"
                self.resident.remove(model)
                self.evicting.add(model)
            case Grant(lease, model, _):
                assert model in self.resident, "a lease is granted only on a resident model"
                self.waiting.remove(lease)
                self.held[lease] = model
                assert sum(m == model for m in self.held.values()) <= SLOTS[model]
            case Refuse(lease, reason):
                assert reason.message
                self.waiting.remove(lease)
            case Revoke(lease, _):
                del self.held[lease]
            case SetTimer(at):
                self.timer = at

    def occupied(self) -> int:
        """Count the bytes of everything that was told to load and is not yet known to be gone."""
        return sum(self.largest[m] for m in self.loading | self.resident | self.evicting)

    @rule(wanted=choices, demand=demands, pool=st.booleans(), patience=st.integers(1, 60))
    def request(self, wanted: list[str], demand: Demand, pool: bool, patience: int) -> None:
        self.asked += 1
        lease = f"l{self.asked}"
        self.waiting.add(lease)
        candidates = tuple(Candidate(m, SIZES[m], SLOTS[m]) for m in wanted)
        name = "p" if pool else ""
        self.feed(Requested(lease, candidates, demand, name, self.clock + patience))

    @rule(wanted=st.lists(models, max_size=4), chained=st.booleans(), life=st.integers(0, 30))
    def publish_a_plan(self, wanted: list[str], chained: bool, life: int) -> None:
        steps = [
            PlannedStep(
                f"t{number}",
                (f"t{number - 1}",) if chained and number else (),
                (Candidate(model, SIZES[model], SLOTS[model]),),
            )
            for number, model in enumerate(wanted)
        ]
        self.feed(PlanPublished("g1", tuple(steps), self.clock + life))

    @rule(seconds=st.floats(0.1, 20))
    def time_passes(self, seconds: float) -> None:
        until = self.clock + seconds
        while self.timer is not None and self.timer <= until:
            self.clock, self.timer = max(self.clock, self.timer), None
            self.feed(Tick())
        self.clock = until

    @precondition(lambda self: self.held or self.waiting)
    @rule(data=st.data())
    def end_or_withdraw(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.waiting | set(self.held))))
        self.waiting.discard(lease)
        self.held.pop(lease, None)
        self.feed(Released(lease))

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), surplus=st.sampled_from([None, 0, 1, 3]))
    def finish_loading(self, data: st.DataObject, surplus: int | None) -> None:
        model = data.draw(st.sampled_from(sorted(self.loading)))
        self.loading.remove(model)
        self.resident.add(model)
        measured = 0 if surplus is None else SIZES[model] + surplus
        self.largest[model] = max(self.largest[model], measured)
        self.feed(Loaded(model, measured))

    @precondition(lambda self: self.loading)
    @rule(data=st.data())
    def fail_loading(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(sorted(self.loading)))
        self.loading.remove(model)
        self.feed(LoadFailed(model, BROKEN))

    @precondition(lambda self: self.evicting)
    @rule(data=st.data())
    def finish_evicting(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(sorted(self.evicting)))
        self.evicting.remove(model)
        self.feed(Evicted(model))

    @precondition(lambda self: self.resident)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(sorted(self.resident)))
        self.resident.remove(model)
        self.feed(EngineLost(model, CRASH))

    @rule(model=models)
    def ask_for_unload(self, model: str) -> None:
        self.feed(UnloadAsked(model))

    @precondition(lambda self: not (self.loading | self.resident | self.evicting))
    @rule(model=models)
    def adopt(self, model: str) -> None:
        self.resident.add(model)
        self.feed(Adopted(Candidate(model, SIZES[model], SLOTS[model])))

    @rule(budget=st.integers(0, BUDGET + 2))
    def foreign_memory_changes(self, budget: int) -> None:
        self.feed(ForeignChanged(budget))

    @invariant()
    def evicting_bytes_stay_charged(self) -> None:
        charged = {name: r.state for name, r in self.core.memory.residencies.items()}
        expected = dict.fromkeys(self.loading, "loading")
        expected |= dict.fromkeys(self.resident, "resident")
        expected |= dict.fromkeys(self.evicting, "evicting")
        assert charged == expected
        assert self.core.memory.committed == self.occupied()

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert self.waiting == {w.lease for w in self.core.demands}
        assert self.held == self.core.demands.held

    @invariant()
    def it_finds_no_fault_with_itself(self) -> None:
        assert self.core.validate() == []

    @invariant()
    def a_timer_exists_while_anything_waits(self) -> None:
        if self.waiting:
            assert self.timer is not None
            assert self.timer <= min(w.deadline for w in self.core.demands)

    @invariant()
    def over_the_budget_everything_that_may_go_is_going(self) -> None:
        memory = self.core.memory
        if any(room < 0 for room in memory.room().values()):
            assert all(r.retiring or r.state != "resident" for r in memory.residencies.values())

    def teardown(self) -> None:
        """Let engines finish and requests end: then every demand must come to its own end."""
        self.feed(ForeignChanged(BUDGET))
        for _ in range(10 * self.asked + 20):
            if not (self.waiting or self.held):
                break
            self._let_the_world_progress()
        assert not self.waiting, "a demand was lost"
        again = replay(BUDGET, self.core.history)
        assert again.memory.residencies == self.core.memory.residencies
        assert again.demands.held == self.core.demands.held

    def _let_the_world_progress(self) -> None:
        for model in sorted(self.loading):
            self.loading.remove(model)
            self.resident.add(model)
            self.feed(Loaded(model, 0))
        for model in sorted(self.evicting):
            self.evicting.remove(model)
            self.feed(Evicted(model))
        for lease in sorted(self.held):
            if self.held.pop(lease, None):
                self.feed(Released(lease))
        # Only patience may need time here; a demand that lives on until its deadline is a deadlock.
        self.clock += 0.001
        head = min((t for t in [self.timer] if t is not None), default=None)
        deadlines = {w.deadline for w in self.core.demands}
        if head is not None and head not in deadlines and not (self.loading | self.evicting):
            self.clock, self.timer = max(self.clock, head), None
            self.feed(Tick())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
