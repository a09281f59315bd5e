"""What the goals facade hands out, and what it needs of the host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from atos_orchestrator.events import Event
from atos_orchestrator.goal import GoalView, TaskView

TaskPool = Literal["auto", "simple", "medium", "complex"]
Notify = Callable[[dict[str, Any]], Awaitable[None]]
Progress = Callable[[GoalView], Awaitable[None]]


class Bell(Protocol):
    """Wakes whoever waits for a goal's next event."""

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        """Return True when it rang, False when the time passed first."""
        ...


@dataclass(frozen=True, slots=True)
class News:
    """What happened to a goal since the caller last looked."""

    events: tuple[Event, ...]
    seq: int
    view: GoalView


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Everything about one task."""

    goal: str
    view: TaskView
    events: tuple[Event, ...]
    digest: str
    """Its last failure, in at most 40 lines; empty where it has none."""
