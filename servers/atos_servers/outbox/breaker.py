"""A circuit breaker per receiver: one that is down is asked seldom, and costs the others nothing. Pure.

closed --three failures in a row--> open --pause over--> one trial --answers--> closed
--fails--> open, twice as long
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FAILURES = 3
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one receiver."""

    failures: int = 0
    """In a row."""
    open_until: float = 0.0
    """Epoch seconds; before them nothing is sent."""

    def lets_through(self, now: float) -> bool:
        """Tell whether a message may be sent now; a pause that has longer to last than any does is of a clock that was set back."""
        return not 0 < self.open_until - now <= LONGEST_PAUSE_S

    def after(self, *, delivered: bool, now: float) -> Breaker:
        """Return the breaker as it is after one attempt."""
        if delivered:
            return Breaker()
        failures = self.failures + 1
        if failures < FAILURES:
            return replace(self, failures=failures)
        pause = min(FIRST_PAUSE_S * 2 ** (failures - FAILURES), LONGEST_PAUSE_S)
        return Breaker(failures, now + pause)
