"""What goals have used, kept between two looks, so that a look reads only the events that are new."""

from __future__ import annotations

import threading
from collections import OrderedDict

from atos_orchestrator.time_spent import WorkSum

MOST_GOALS = 256
"""How many are kept; the one that was asked for longest ago is counted anew when it is asked for again."""


class GoalWorks:
    """The sums; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: OrderedDict[str, tuple[int, WorkSum]] = OrderedDict()

    def of(self, goal: str) -> tuple[int, WorkSum]:
        """Return the number of the goal's last event that is counted, and the sum up to it."""
        with self._lock:
            return self._sums.get(goal, (0, WorkSum()))

    def keep(self, goal: str, seq: int, used: WorkSum) -> None:
        """Keep a sum up to an event, unless a later one is kept already."""
        with self._lock:
            kept = self._sums.pop(goal, (0, WorkSum()))
            self._sums[goal] = max(kept, (seq, used), key=lambda each: each[0])
            if len(self._sums) > MOST_GOALS:
                self._sums.popitem(last=False)

    def forget(self) -> None:
        """Begin anew, because these are the events of another database."""
        with self._lock:
            self._sums.clear()
