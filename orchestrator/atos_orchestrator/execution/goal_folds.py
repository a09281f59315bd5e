"""The views of goals that somebody looks at, kept between two looks: a look reads only what is new.

Numbers become visible in their order within a goal (`event_table`), so what follows the last one is all that is new.
A look begins *with* the last event that it knows: where that one is missing, the goal was removed, or the database is
another one, and the goal is read anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from atos_orchestrator.events import GoalFold
from atos_orchestrator.execution.event_store import EventStore
from atos_protocol.goals import Event, GoalView

MOST_GOALS = 256
"""How many are kept, some kB each; beyond that, the one that nobody has looked at for longest is read anew."""


class GoalFolds:
    """Follows goals; its calls block for one query, and may be made by any thread."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._folds: OrderedDict[str, GoalFold] = OrderedDict()

    def views(self, goals: Sequence[str]) -> dict[str, GoalView]:
        """Return these goals as they stand; one that does not exist is left out."""
        known = {goal: self._known(goal) for goal in goals}
        found = self._events.read_from({goal: known[goal].view.seq for goal in goals})
        gone = [goal for goal in goals if not _goes_on(known[goal], found[goal])]
        found |= self._events.read_from(dict.fromkeys(gone, 0))
        known |= dict.fromkeys(gone, GoalFold())
        views = {goal: self._kept(goal, known[goal].plus(found[goal])) for goal in goals}
        return {goal: view for goal, view in views.items() if view.id}

    def news(self, goal: str, after: int) -> tuple[tuple[Event, ...], GoalView] | None:
        """Return the goal's events with a number above `after`, and the goal; None where there is none."""
        known = self._known(goal)
        first = min(known.view.seq, after + 1)
        found = self._events.read_from({goal: first})[goal]
        if not _goes_on(known, found):
            known, found = GoalFold(), self._events.read(goal)
        view = self._kept(goal, known.plus(found))
        return (tuple(e for e in found if e.seq > after), view) if view.id else None

    def _known(self, goal: str) -> GoalFold:
        with self._lock:
            return self._folds.get(goal, GoalFold())

    def _kept(self, goal: str, folded: GoalFold) -> GoalView:
        """Keep a fold, the newest as the last to go; return its view."""
        with self._lock:
            self._folds.pop(goal, None)
            if folded.view.id:
                self._folds[goal] = folded
            if len(self._folds) > MOST_GOALS:
                self._folds.popitem(last=False)
            return folded.view


def _goes_on(known: GoalFold, found: Sequence[Event]) -> bool:
    """Tell whether what was found follows what is known."""
    return not known.view.seq or any(event.seq == known.view.seq for event in found)
