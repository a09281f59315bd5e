"""Nobody starves: every demand is granted although others never stop asking."""

import heapq
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, SetTimer
from atos_scheduler.core.events import Event, Evicted, Loaded, Released, Requested, Tick
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import Candidate

pytestmark = pytest.mark.timeout(120)  # seconds of wall on a loaded machine

SIZES = {"s": 2, "m": 4, "l": 7, "xl": 10}
BUDGET = 10
NEVER = 1e9
BOUND = 300.0
"""Seconds within which a batch demand is granted, whatever else is asked, in this small world."""


@dataclass
class World:
    """Engines that take a second for everything, and callers that ask again at once."""

    core: Core = field(default_factory=lambda: Core(BUDGET))
    agenda: list[tuple[float, int, Event]] = field(default_factory=list[tuple[float, int, Event]])
    regulars: dict[str, str] = field(default_factory=dict[str, str])
    """Lease -> the model that its caller asks for again as soon as it is over."""
    granted: dict[str, float] = field(default_factory=dict[str, float])
    timer: float | None = None
    now: float = 0.0
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def plan(self, after: float, event: Event) -> None:
        heapq.heappush(self.agenda, (self.now + after, next(self.numbers), event))

    def ask(self, model: str, *, demand: Demand, again: bool) -> str:
        lease = f"l{next(self.numbers)}"
        if again:
            self.regulars[lease] = model
        candidate = Candidate(model, SIZES[model], 1)
        self.feed(Requested(lease, (candidate,), demand, "", NEVER))
        return lease

    def feed(self, event: Event) -> None:
        for effect in self.core.handle(event, self.now):
            self.obey(effect)

    def obey(self, effect: Effect) -> None:
        match effect:
            case Load(model):
                self.plan(1.0, Loaded(model, 0))
            case Evict(model):
                self.plan(1.0, Evicted(model))
            case Grant(lease, _, _):
                self.granted[lease] = self.now
                self.plan(1.0, Released(lease))
            case SetTimer(at):
                self.timer = at
            case Refuse() | _:
                raise AssertionError(effect)

    def run(self, until: float) -> None:
        while self.agenda and self.now < until:
            at, _, event = self.agenda[0]
            if self.timer is not None and self.timer < at:
                self.now, self.timer = max(self.now, self.timer), None
                self.feed(Tick())
                continue
            heapq.heappop(self.agenda)
            self.now = max(self.now, at)
            self.feed(event)
            if isinstance(event, Released) and (model := self.regulars.pop(event.lease, None)):
                self.ask(model, demand=Demand(priority=1), again=True)


models = st.sampled_from(sorted(SIZES))


@settings(max_examples=40, deadline=None)
@given(
    regulars=st.lists(models, min_size=1, max_size=6),
    rare=st.lists(st.tuples(models, st.integers(-3, 0)), min_size=1, max_size=4),
)
def test_every_demand_is_granted_although_more_urgent_callers_never_stop(
    regulars: list[str], rare: list[tuple[str, int]]
) -> None:
    world = World()
    for model in regulars:
        world.ask(model, demand=Demand(priority=1), again=True)
    world.run(10.0)
    asked = [world.ask(m, demand=Demand(priority=p), again=False) for m, p in rare]
    world.run(10.0 + BOUND)
    assert set(asked) <= set(world.granted)
