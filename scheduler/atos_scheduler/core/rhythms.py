"""When callers come back: the pause between a reply and the same caller's next request, as seen so far.

A caller is a goal, a named client, or everybody who gives no name. Pauses are learned for each caller and model, whoever
answers meanwhile; nothing here is needed for correctness.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.demands import caller

MOST = 2048
"""Pairs of caller and model remembered."""
NEWEST = 0.4
"""Weight of the latest pause in the mean."""
LATE = 2.0
"""A caller is waited for this many mean pauses, and not longer."""
LEAST = 0.25
"""Seconds that are allowed in any case: scheduling and networks take time."""


@dataclass(slots=True)
class Rhythm:
    """One caller of one model."""

    pause: float | None = None
    """Mean seconds; None until it has come back once."""
    ended: float | None = None
    """When its last reply ended; None while it waits or is answered."""


class Rhythms:
    """The rhythms of the latest callers."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Rhythm] = OrderedDict()

    def asked(self, demand: Demand, models: tuple[str, ...], now: float) -> None:
        """Note a request."""
        for model in models:
            rhythm = self._known.get((caller(demand), model))
            if rhythm is not None and rhythm.ended is not None:
                pause, mean = now - rhythm.ended, rhythm.pause
                rhythm.pause = pause if mean is None else mean + NEWEST * (pause - mean)
                rhythm.ended = None

    def granted(self, demand: Demand, model: str) -> None:
        """Note that a request is being answered."""
        key = caller(demand), model
        self._known.setdefault(key, Rhythm()).ended = None
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def released(self, demand: Demand, model: str, now: float) -> None:
        """Note that its reply has ended."""
        if (rhythm := self._known.get((caller(demand), model))) is not None:
            rhythm.ended = now

    def expected_until(self, model: str, most: float) -> float:
        """Return until when somebody is expected back at a model, or minus infinity.

        Args:
            model: one that is idle.
            most: the longest mean pause, in seconds, that counts.
        """
        return max(
            (
                rhythm.ended + LATE * rhythm.pause + LEAST
                for (_, name), rhythm in self._known.items()
                if name == model and rhythm.ended is not None
                if rhythm.pause is not None and rhythm.pause <= most
            ),
            default=float("-inf"),
        )
