"""Where the steps of paused goals wait, in the process that executes them.

    a step begins, its goal is paused      -> it waits here
    its goal is paused while it works      -> its work is stopped, and begun again when the goal goes on
    the goal is resumed, or has ended      -> everything that waited goes on

So from the moment of a pause no request of the goal is at a model, waits for one, or holds a place in the sandbox.
Stopping a step is what a kill does to it: whatever it has done is done once, because its effects have keys.
Nothing is recorded here. Which goals are paused is read from the events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import anyio

from atos_orchestrator.execution.cancellation import RunningScopes

Value = TypeVar("Value")


class PauseGate:
    """The gate of one process; `through` is called by steps, `close_for` by whoever reads the events."""

    def __init__(self) -> None:
        self._closed: dict[str, anyio.Event] = {}
        """Paused goals, with what is set when they go on."""
        self._work = RunningScopes()
        self._waiting: dict[str, int] = {}
        self._listeners: list[Callable[[], object]] = []

    @property
    def held(self) -> int:
        """How many goals have come to the gate and wait: they occupy a place and use nothing."""
        return len(self._waiting)

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener()` when `held` changes."""
        self._listeners.append(listener)

    def close_for(self, goals: Collection[str]) -> None:
        """Stop the work of exactly these goals, and have all others go on."""
        for goal in [goal for goal in self._closed if goal not in goals]:
            self._closed.pop(goal).set()
        for goal in goals:
            if goal not in self._closed:
                self._closed[goal] = anyio.Event()
                self._work.cancel(goal)

    async def through(self, goal: str, work: Callable[[], Awaitable[Value]]) -> Value:
        """Do the work of a goal's step while the goal is not paused; a pause has it begin again."""
        while True:
            await self._until_open(goal)
            with self._work.under(goal):
                return await work()

    async def _until_open(self, goal: str) -> None:
        while (opened := self._closed.get(goal)) is not None:
            self._count(goal, 1)
            try:
                await opened.wait()
            finally:
                self._count(goal, -1)

    def _count(self, goal: str, more: int) -> None:
        before, now = self.held, self._waiting.get(goal, 0) + more
        if now:
            self._waiting[goal] = now
        else:
            self._waiting.pop(goal, None)
        if self.held != before:
            for listener in self._listeners:
                listener()
