"""The argument of a goal's run: the goal as it was accepted, with everything that was decided then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atos_orchestrator.execution.limits import Limits

GOAL, TASK, PLAN = "goal", "task", "plan"
"""Names of the workflows in the durable runtime; here, because whoever submits one needs no more."""

FINISHED = "goal:goal_finished:end"
"""Key of a goal's last event: the first process to record an end decides it."""


@dataclass(frozen=True, slots=True)
class GoalInput:
    """The argument of a goal's run."""

    goal: str
    """Its id."""
    text: str
    slug: str
    strategy: str
    """Name of the strategy in `strategies.registry`."""
    submitted_at: float
    """Epoch seconds; the goal's commits carry this moment."""
    into: str | None = None
    engine: str = ""
    models: tuple[str, ...] = ()
    announcement: str = ""
    scope: dict[str, Any] | None = field(default=None, hash=False)
    """What the strategy found out about the goal when it was accepted."""
    plan: Mapping[str, Any] | None = field(default=None, hash=False)
    """A plan handed in by the caller."""
    limits: Limits = field(default_factory=Limits)
