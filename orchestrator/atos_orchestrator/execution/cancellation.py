"""Cancel scopes by goal, so that a cancellation reaches a running step at once.

DBOS's own poll notices a cancelled run within a second. A person expects it sooner, and what a step
uses (a model's stream, a sandbox) should end with it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio


class RunningScopes:
    """The cancel scopes of the steps that run in this process, by goal."""

    def __init__(self) -> None:
        self._scopes: dict[str, set[anyio.CancelScope]] = {}
        self._ended: dict[str, anyio.Event] = {}

    @contextmanager
    def under(self, goal: str) -> Generator[anyio.CancelScope]:
        """Open a scope that `cancel(goal)` cancels."""
        with anyio.CancelScope() as scope:
            running = self._scopes.setdefault(goal, set())
            running.add(scope)
            try:
                yield scope
            finally:
                running.discard(scope)
                if not running and self._scopes.get(goal) is running:
                    del self._scopes[goal]
                    self._ended.pop(goal, anyio.Event()).set()

    def cancel(self, goal: str) -> int:
        """Cancel every scope of a goal; return how many there were."""
        scopes = list(self._scopes.get(goal, ()))
        for scope in scopes:
            scope.cancel()
        return len(scopes)

    async def ended(self, goal: str) -> None:
        """Wait until no step of a goal is running."""
        if goal in self._scopes:
            await self._ended.setdefault(goal, anyio.Event()).wait()

    def goals(self) -> list[str]:
        """Return the goals with a running step."""
        return list(self._scopes)
