"""Which model a task is bound to: it keeps it for all its calls in one role, unless it escalates.

A pool's members write differently, so a debug loop that changed its model half-way would lose its
thread, and would cost a swap. Escalating means asking another pool, which has bindings of its own.
"""

from __future__ import annotations

from atos_scheduler.core.memory import Memory
from atos_scheduler.core.types import Candidate, Waiter

MOST = 4096
"""Bindings remembered; the ones that were not used for longest are forgotten first."""


class Bindings:
    """The model of every task that was granted one."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str, str, str], str] = {}

    def options(self, waiter: Waiter, memory: Memory) -> tuple[Candidate, ...]:
        """Return the models that may answer a demand: the one its task is bound to, else all.

        A task whose model does not fit at present, since other programs hold memory, may take
        another one.
        """
        bound = self._models.get(waiter.binding) if waiter.binding else None
        kept = tuple(c for c in waiter.candidates if c.model == bound)
        fits = all(memory.fits_now(c) for c in kept)
        return kept if kept and fits else waiter.candidates

    def bind(self, waiter: Waiter, model: str) -> None:
        """Remember a task's model."""
        if waiter.binding is None:
            return
        self._models.pop(waiter.binding, None)
        self._models[waiter.binding] = model
        if len(self._models) > MOST:
            del self._models[next(iter(self._models))]

    def forget(self, model: str) -> None:
        """Unbind all tasks from a model that can't be loaded."""
        self._models = {key: m for key, m in self._models.items() if m != model}
