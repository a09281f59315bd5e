"""What a goal cost in swaps, beside what Ollama's rule would have cost for the same requests. Pure.

Ollama's rule, as its `server/sched.go` has it: requests are taken in the order of their arrival, each for one model;
a model that does not fit has the idle one that was used least recently unloaded, until it does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from atos_scheduler.core.events import Loaded, Requested
from atos_scheduler.core.types import Charges

MOST_GOALS = 1000
MOST_REQUESTS = 10_000
"""Requests of one goal that are compared; later ones are counted as ours only."""


@dataclass(slots=True)
class Receipt:
    """One goal's swaps so far."""

    goal: str
    requests: int = 0
    loads: int = 0
    """Models loaded because a request of this goal was the most urgent one."""
    seconds: float = 0.0
    """Time that those loads took."""
    trace: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """First choice of every request, and its bytes."""

    def text(self, budget: int) -> str:
        """Return the receipt in one line."""
        others = ollama_loads(self.trace, budget)
        swaps = f"{self.loads} swap{'s' * (self.loads != 1)}"
        return f"{swaps}, {self.seconds:.0f} s; Ollama's rule on this trace: {others}"


class Receipts:
    """The receipts of the latest goals."""

    def __init__(self) -> None:
        self._goals: OrderedDict[str, Receipt] = OrderedDict()
        self._of: dict[str, str] = {}
        """Waiting or loading lease -> goal."""
        self._loading: dict[str, tuple[str, float]] = {}
        """Model -> the goal that it is loaded for, and since when."""

    def get(self, goal: str) -> Receipt | None:
        """Return a goal's receipt; None if it asked for nothing lately."""
        return self._goals.get(goal)

    def requested(self, event: Requested, charges: Charges) -> None:
        """Note a request; one without a goal is nobody's."""
        if not (goal := event.demand.goal):
            return
        receipt = self._goals.setdefault(goal, Receipt(goal))
        self._goals.move_to_end(goal)
        self._of[event.lease] = goal
        receipt.requests += 1
        if len(receipt.trace) < MOST_REQUESTS:
            receipt.trace.append((event.candidates[0].model, sum(charges.values())))
        if len(self._goals) > MOST_GOALS:
            self._goals.popitem(last=False)

    def loading(self, lease: str, model: str, now: float) -> None:
        """Note that a model is loaded for a lease."""
        goal = self._of.get(lease, "")
        if (receipt := self._goals.get(goal)) is not None:
            receipt.loads += 1
            self._loading[model] = goal, now

    def loaded(self, event: Loaded, now: float) -> None:
        """Note that it is there."""
        goal, began = self._loading.pop(event.model, ("", now))
        if (receipt := self._goals.get(goal)) is not None:
            receipt.seconds += now - began

    def ended(self, lease: str) -> None:
        """Forget a lease that is over."""
        self._of.pop(lease, None)


def ollama_loads(trace: Iterable[tuple[str, int]], budget: int) -> int:
    """Return how many loads Ollama's rule needs for requests, each with its model and that model's bytes."""
    held: OrderedDict[str, int] = OrderedDict()
    loads = 0
    for model, size in trace:
        if model not in held:
            loads += 1
            while held and sum(held.values()) + size > budget:
                held.popitem(last=False)
            held[model] = size
        held.move_to_end(model)
    return loads
