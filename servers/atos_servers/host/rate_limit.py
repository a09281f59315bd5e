"""How many requests one caller may make: a bucket of tokens for each, filled at a steady rate. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BURST_SECONDS = 2.0
"""How long's worth of requests may come at once."""

MOST_CALLERS = 1000
"""Callers that are remembered; named tokens are far fewer."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimit:
    """Counts requests by caller.

    Args:
        rate: requests a second that a caller may make for long; 0 allows any number.
        clock: monotonic seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._most = max(1.0, rate * BURST_SECONDS)
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, caller: str) -> float:
        """Count a request; return 0.0 if it may be served, else after how many seconds one may."""
        if not self._rate:
            return 0.0
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._most, now)
        bucket.left = min(self._most, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        self._buckets[caller] = bucket  # as the newest: the oldest one is forgotten first
        while len(self._buckets) > MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        if bucket.left < 1:
            return (1 - bucket.left) / self._rate
        bucket.left -= 1
        return 0.0
