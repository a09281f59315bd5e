"""All demands that wait or are held. The order of waiting is one that starves nobody.

A demand of priority p is treated as if it had come p x `AGEING` seconds earlier than it did. So an
urgent demand overtakes those that came a while before it and no others, and every waiting demand
sooner or later precedes all newcomers. The key is fixed at arrival: order needs no timer.

One whose answer is soon worthless counts as having come `URGENT` seconds before its deadline, if that is
earlier. Of many demands of one caller each counts as having come a little later than the one before, so a
goal that asks for sixty things at once does not keep out the one that asks for its first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.events import Requested
from atos_scheduler.core.transitions import DEMAND, Cause, DemandState
from atos_scheduler.core.types import Waiter

AGEING = 10.0
"""Seconds that one step of priority is worth."""
INTERACTIVE = 6
"""Steps of priority that an interactive demand has over a batch demand: a minute."""
PRIORITIES = 10
"""The largest priority that counts, either way."""


URGENT = 60.0
"""A demand with less time than this is as urgent as one that came so much earlier."""
TURN = 0.5
"""Seconds by which each further waiting demand of one caller counts as later."""
MOST_TURNS = 30
MOST_CALLERS = 1000
"""Counts of callers that are kept before those of none are thrown away."""


def rank(waiter: Waiter, others: int = 0) -> float:
    """Return the moment at which this demand counts as having come.

    Args:
        waiter: the demand.
        others: how many of the same caller wait already.
    """
    steps = max(-PRIORITIES, min(PRIORITIES, waiter.demand.priority))
    if waiter.demand.kind == "interactive":
        steps += INTERACTIVE
    came = waiter.since + TURN * min(others, MOST_TURNS) - AGEING * steps
    return min(came, waiter.deadline - URGENT)


def caller(demand: Demand) -> str:
    """Return who asks: a goal, a named client, or "" for everybody else."""
    return demand.goal or demand.client


class Demands:
    """Waiting demands, most urgent first and equals in the order of arrival; and those held."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        """Lease -> model that answers it."""
        self._waiting: dict[str, Waiter] = {}
        self._ranks: dict[str, float] = {}
        self._callers: Counter[str] = Counter()
        """How many demands of each caller wait."""
        self._alike: dict[tuple[str, ...], dict[str, Waiter]] = {}
        """Models -> the demands that may have any of them, which is a handful of groups."""
        self._deadlines: list[tuple[float, str]] = []
        """A heap; demands that wait no longer are dropped as they come up."""

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
        who = caller(waiter.demand)
        self._ranks[waiter.lease] = rank(waiter, self._callers[who] if who else 0)
        self._callers[who] += 1
        self._alike.setdefault(waiter.models, {})[waiter.lease] = waiter
        heapq.heappush(self._deadlines, (waiter.deadline, waiter.lease))
        last = next(reversed(self._waiting), None)
        self._waiting[waiter.lease] = waiter
        if last is not None and self._ranks[last] > self._ranks[waiter.lease]:
            # stable: equals keep their order
            self._waiting = dict(sorted(self._waiting.items(), key=lambda w: self._ranks[w[0]]))

    def replace(self, waiter: Waiter) -> None:
        """Change a demand that waits already, without moving it."""
        self._drop_alike(self._waiting[waiter.lease])
        self._waiting[waiter.lease] = waiter
        self._alike.setdefault(waiter.models, {})[waiter.lease] = waiter

    def _drop_alike(self, waiter: Waiter) -> None:
        group = self._alike[waiter.models]
        del group[waiter.lease]
        if not group:
            del self._alike[waiter.models]

    def wanted(self, models: set[str]) -> bool:
        """Tell whether any waiting demand may have one of these models."""
        return any(not models.isdisjoint(names) for names in self._alike)

    def differing(self) -> Iterable[Waiter]:
        """Return the waiting demands in order; of those that want the same one model only the most urgent."""
        found = list[Waiter]()
        for names, group in self._alike.items():
            if len(names) == 1:
                found.append(min(group.values(), key=self._place))
            else:
                found += group.values()
        return sorted(found, key=self._place)

    def _place(self, waiter: Waiter) -> tuple[float, float]:
        return self._ranks[waiter.lease], waiter.since

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of a waiting demand."""
        while self._deadlines and self._deadlines[0][1] not in self._waiting:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def get(self, lease: str) -> Waiter | None:
        """Return a waiting demand."""
        return self._waiting.get(lease)

    def move(self, lease: str, cause: Cause, model: str = "") -> str | None:
        """Move a demand along its table; return the model that it held, if any.

        Raises:
            KeyError: the table has no such transition: a bug of the core.
        """
        after = DEMAND[self.state(lease)][cause]
        if (waited := self._waiting.pop(lease, None)) is not None:
            del self._ranks[lease]
            self._drop_alike(waited)
            self._callers.subtract([caller(waited.demand)])
            self._callers = +self._callers if len(self._callers) > MOST_CALLERS else self._callers
        held = self.held.pop(lease, None)
        if after == "held":
            self.held[lease] = model
        return held
