"""The queue of demands, in an order that starves nobody.

A demand of priority p is treated as if it had come p x `AGEING` seconds earlier than it did. So an
urgent demand overtakes those that came a while before it and no others, and every waiting demand
sooner or later precedes all newcomers. The key is fixed at arrival: order needs no timer.
"""

from __future__ import annotations

from collections.abc import Iterator

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


class Queue:
    """Waiting demands, most urgent first; equals in the order of their arrival."""

    def __init__(self) -> None:
        self._waiters: dict[str, Waiter] = {}

    def __iter__(self) -> Iterator[Waiter]:
        return iter(list(self._waiters.values()))

    def __contains__(self, lease: str) -> bool:
        return lease in self._waiters

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, waiter: Waiter) -> None:
        """Put a demand in its place."""
        self._waiters[waiter.lease] = waiter
        ordered = sorted(self._waiters.values(), key=rank)  # stable: equals keep their order
        self._waiters = {w.lease: w for w in ordered}

    def replace(self, waiter: Waiter) -> None:
        """Change a demand that waits already, without moving it."""
        self._waiters[waiter.lease] = waiter

    def get(self, lease: str) -> Waiter | None:
        """Return a waiting demand."""
        return self._waiters.get(lease)

    def remove(self, lease: str) -> Waiter | None:
        """Take a demand out; None if it does not wait."""
        return self._waiters.pop(lease, None)
