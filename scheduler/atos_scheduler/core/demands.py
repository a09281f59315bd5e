"""All demands that wait or are held. The order of waiting is one that starves nobody.

A demand of priority p is treated as if it had come p x `AGEING` seconds earlier than it did. So an
urgent demand overtakes those that came a while before it and no others, and every waiting demand
sooner or later precedes all newcomers. The key is fixed at arrival: order needs no timer.
"""

from __future__ import annotations

from collections.abc import Iterator

from atos_scheduler.core.events import Requested
from atos_scheduler.core.transitions import DEMAND, Cause, DemandState
from atos_scheduler.core.types import Waiter

AGEING = 10.0
"""Seconds that one step of priority is worth."""
INTERACTIVE = 6
"""Steps of priority that an interactive demand has over a batch demand: a minute."""
PRIORITIES = 10
"""The largest priority that counts, either way."""


def rank(waiter: Waiter) -> float:
    """Return the moment at which this demand counts as having come."""
    steps = max(-PRIORITIES, min(PRIORITIES, waiter.demand.priority))
    if waiter.demand.kind == "interactive":
        steps += INTERACTIVE
    return waiter.since - AGEING * steps


class Demands:
    """Waiting demands, most urgent first and equals in the order of arrival; and those held."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        """Lease -> model that answers it."""
        self._waiting: dict[str, Waiter] = {}

    def __iter__(self) -> Iterator[Waiter]:
        """Iterate over the waiting demands; they may be moved meanwhile."""
        return iter(list(self._waiting.values()))

    def state(self, lease: str) -> DemandState:
        """Return the state of a demand; one that is not known is absent."""
        if lease in self._waiting:
            return "waiting"
        return "held" if lease in self.held else "absent"

    def add(self, waiter: Waiter) -> None:
        """Put a new demand in its place among those that wait."""
        self.move(waiter.lease, Requested)
        self._waiting[waiter.lease] = waiter
        ordered = sorted(self._waiting.values(), key=rank)  # stable: equals keep their order
        self._waiting = {w.lease: w for w in ordered}

    def replace(self, waiter: Waiter) -> None:
        """Change a demand that waits already, without moving it."""
        self._waiting[waiter.lease] = waiter

    def get(self, lease: str) -> Waiter | None:
        """Return a waiting demand."""
        return self._waiting.get(lease)

    def move(self, lease: str, cause: Cause, model: str = "") -> str | None:
        """Move a demand along its table; return the model that it held, if any.

        Raises:
            KeyError: the table has no such transition: a bug of the core.
        """
        after = DEMAND[self.state(lease)][cause]
        self._waiting.pop(lease, None)
        held = self.held.pop(lease, None)
        if after == "held":
            self.held[lease] = model
        return held
