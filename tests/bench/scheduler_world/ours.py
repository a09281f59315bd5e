"""The real core of the scheduler as a policy of the virtual world."""

from __future__ import annotations

from collections.abc import Sequence

from atos_scheduler.core.effects import Effect
from atos_scheduler.core.events import Event, PlanPublished
from atos_scheduler.core.plans import PlannedStep
from atos_scheduler.core.state_machine import Core
from bench.scheduler_world.hardware import candidate
from bench.scheduler_world.requests import Request

FOREVER = 1e9
MOST_SLOTS = 16


class Ours:
    """The core with nothing around it."""

    def __init__(self, budget: int, slots: int, *, plans: bool = True, most_slots: int = 0) -> None:
        self.core = Core(budget, history=1)
        self._slots, self._plans, self._most_slots = slots, plans, most_slots

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Let the core handle it."""
        return self.core.handle(event, now)

    def publish(self, owner: str, remaining: Sequence[Request], now: float) -> list[Effect]:
        """Tell the core an owner's plan."""
        if not self._plans:
            return []
        steps = tuple(self._step(request) for request in remaining)
        return self.core.handle(PlanPublished(owner, steps, FOREVER), now)

    def _step(self, request: Request) -> PlannedStep:
        candidates = tuple(candidate(m, self._slots, self._most_slots) for m in request.models)
        after = tuple(map(str, request.after))
        return PlannedStep(str(request.id), after, candidates, 1, request.pause)


def deciding_slots(budget: int, slots: int) -> Ours:
    """Return the core that may load a model with up to `MOST_SLOTS` slots."""
    return Ours(budget, slots, most_slots=MOST_SLOTS)


def without_plans(budget: int, slots: int) -> Ours:
    """Return the core to which nobody publishes plans."""
    return Ours(budget, slots, plans=False)
