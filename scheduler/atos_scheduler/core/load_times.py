"""How long models took to load."""

from __future__ import annotations

LOAD_RATE = 300 * 10**6
"""Bytes a second, where no load of a model has been seen yet."""


class LoadTimes:
    """How long models took to load, as the core itself has seen."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def begin(self, model: str, now: float) -> None:
        """Note that a load begins."""
        self._began[model] = now

    def end(self, model: str, now: float) -> None:
        """Note that it has ended well."""
        if (began := self._began.pop(model, None)) is not None:
            self._seconds[model] = now - began

    def predict(self, model: str, size: int) -> float:
        """Return the seconds that a load will take."""
        return self._seconds.get(model, size / LOAD_RATE)
