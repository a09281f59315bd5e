"""The real core of the scheduler as a policy of the virtual world."""

from __future__ import annotations

from collections.abc import Sequence

from atos_scheduler.core.effects import Effect
from atos_scheduler.core.events import Event
from atos_scheduler.core.state_machine import Core
from bench.scheduler_world.requests import Request


class Ours:
    """The core with nothing around it."""

    def __init__(self, budget: int, slots: int, *, plans: bool = True) -> None:
        self.core = Core(budget)
        self._slots, self._plans = slots, plans

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Let the core handle it."""
        return self.core.handle(event, now)

    def publish(self, owner: str, remaining: Sequence[Request], now: float) -> list[Effect]:
        """Tell the core an owner's plan."""
        del owner, remaining, now
        return []
