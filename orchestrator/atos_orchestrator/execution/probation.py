"""Which runs of dead workers are taken up, and when: a goal that ends its worker must not take its neighbours with it.

A run counts how often it was begun; only a worker that dies adds to that (`dbos_runtime`). Any of those that were
executing may be to blame, so from a few deaths on their goals are taken up one at a time:

    dead, few starts                     -> queued again at once
    dead, many starts, no goal is alone  -> queued again, and its goal alone for a while, twice as long at each start
    dead, many starts, a goal is alone   -> stays as it is until that goal has ended, or its while is over

Whoever ends the worker soon does so alone, is the only one whose starts are counted, and so the only one to be abandoned
in the end. First comes whoever was begun most often: once it has died alone, that is the one to blame.

A worker that lives on for an hour was not ended by what it executes: starts of these runs are forgotten. Otherwise a
goal that is paused for weeks would be abandoned after so many power cuts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from atos_orchestrator.execution.dbos_client import Run, root

FEW_STARTS = 3
"""Of a run that is taken up at once; kills by people and by the machine seldom come in longer series."""
ALONE_SECONDS = 60.0
"""How long a goal is alone that was begun once more than that."""
LONGEST_ALONE_SECONDS = 3600.0
PROVEN_SECONDS = 3600.0
"""After so long in one worker a run is not what ends workers: no step takes longer."""


def suspects(dead: Iterable[Run]) -> dict[str, int]:
    """Return goals of which a run was begun too often to be taken up at once, and how often, the first to be tried first."""
    starts: dict[str, int] = {}
    for run in dead:
        goal = root(run.id)
        starts[goal] = max(starts.get(goal, 0), run.starts)
    many = ((goal, count) for goal, count in starts.items() if count > FEW_STARTS)
    return dict(sorted(many, key=lambda each: -each[1]))


def alone_seconds(starts: int) -> float:
    """Return how long a goal is alone after so many starts."""
    return min(ALONE_SECONDS * 2.0 ** (starts - FEW_STARTS - 1), LONGEST_ALONE_SECONDS)


@dataclass(slots=True)
class Probation:
    """Decides within one worker; a new one begins anew, from what the runs have counted."""

    _goal: str = ""
    """Who is alone at the moment."""
    _until: float = 0.0
    _since: dict[Run, float] = field(default_factory=dict[Run, float])
    """When a body was first seen."""

    def admitted(
        self, dead: Collection[Run], unfinished: Collection[str], now: float
    ) -> frozenset[Run]:
        """Return those runs that may be queued again now.

        Args:
            dead: what was left by earlier workers, the newest first.
            unfinished: goals that have not ended.
            now: seconds of a clock that nobody sets.
        """
        waiting = suspects(dead)
        if waiting and (self._goal not in unfinished or now >= self._until):
            self._goal = next(iter(waiting))
            self._until = now + alone_seconds(waiting[self._goal])
        return frozenset(run for run in dead if root(run.id) not in waiting.keys() - {self._goal})

    def proven(self, executing: Iterable[Run], now: float) -> frozenset[Run]:
        """Return the runs with several starts that have been executing for long enough; tell it at each look."""
        self._since = {run: self._since.get(run, now) for run in executing}
        return frozenset(
            run
            for run, since in self._since.items()
            if run.starts > 1 and now - since >= PROVEN_SECONDS
        )
