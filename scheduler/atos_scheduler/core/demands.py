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
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

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


Place = tuple[float, int, str]
"""Rank, order of arrival, lease: what waiting demands are sorted by."""


class Demands:
    """Waiting demands, most urgent first and equals in the order of arrival; and those held."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        """Lease -> model that answers it."""
        self._waiting: dict[str, Waiter] = {}
        self._places: dict[str, Place] = {}
        self._order: list[Place] = []
        self._alike: dict[tuple[str, ...], list[Place]] = {}
        """Models -> the demands that may have any of them, in order: a handful of groups."""
        self._callers: Counter[str] = Counter()
        """How many demands of each caller wait."""
        self._deadlines: list[tuple[float, str]] = []
        """A heap; demands that wait no longer are dropped as they come up."""
        self._arrivals = 0

    def __iter__(self) -> Iterator[Waiter]:
        """Iterate over the waiting demands; they may be moved meanwhile."""
        return self._known(self._order)

    def _known(self, places: Iterable[Place]) -> Iterator[Waiter]:
        return iter([self._waiting[lease] for _, _, lease in places])

    def state(self, lease: str) -> DemandState:
        """Return the state of a demand; one that is not known is absent."""
        if lease in self._waiting:
            return "waiting"
        return "held" if lease in self.held else "absent"

    def add(self, waiter: Waiter) -> None:
        """Put a new demand in its place among those that wait."""
        self.move(waiter.lease, Requested)
        who = caller(waiter.demand)
        others = self._callers[who] if who else 0
        self._callers[who] += 1
        self._arrivals += 1
        place = self._places[waiter.lease] = rank(waiter, others), self._arrivals, waiter.lease
        insort(self._order, place)
        insort(self._alike.setdefault(waiter.models, []), place)
        heapq.heappush(self._deadlines, (waiter.deadline, waiter.lease))
        self._waiting[waiter.lease] = waiter

    def replace(self, waiter: Waiter) -> None:
        """Change a demand that waits already, without moving it."""
        place = self._places[waiter.lease]
        self._leave_group(self._waiting[waiter.lease], place)
        insort(self._alike.setdefault(waiter.models, []), place)
        self._waiting[waiter.lease] = waiter

    def _leave_group(self, waiter: Waiter, place: Place) -> None:
        group = self._alike[waiter.models]
        del group[bisect_left(group, place)]
        if not group:
            del self._alike[waiter.models]

    def _leave(self, waiter: Waiter) -> None:
        place = self._places.pop(waiter.lease)
        del self._order[bisect_left(self._order, place)]
        self._leave_group(waiter, place)
        who = caller(waiter.demand)
        self._callers[who] -= 1
        if not self._callers[who]:
            del self._callers[who]

    def wanting(self, models: set[str]) -> Iterator[Waiter]:
        """Iterate over the waiting demands that may have one of these models; they may be moved meanwhile."""
        groups = [g for names, g in self._alike.items() if not models.isdisjoint(names)]
        for _, _, lease in heapq.merge(*map(tuple, groups)):
            yield self._waiting[lease]

    def differing(self) -> Iterator[Waiter]:
        """Iterate over the waiting demands; of those that want the same one model over the first only."""
        groups = (group[:1] if len(names) == 1 else group for names, group in self._alike.items())
        return self._known(sorted(chain.from_iterable(groups)))

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
            self._leave(waited)
        held = self.held.pop(lease, None)
        if after == "held":
            self.held[lease] = model
        return held
