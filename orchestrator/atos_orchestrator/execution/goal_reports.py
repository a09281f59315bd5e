"""What the goals facade needs of the host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from atos_protocol.goals import GoalView

TaskPool = Literal["auto", "simple", "medium", "complex"]
Notify = Callable[[dict[str, Any]], Awaitable[None]]
Progress = Callable[[GoalView], Awaitable[None]]


class Bell(Protocol):
    """Wakes whoever waits for a goal's next event."""

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        """Return True when it rang, False when the time passed first."""
        ...
