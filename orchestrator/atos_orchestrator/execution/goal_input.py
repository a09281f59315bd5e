"""What a goal workflow is told: the goal as it was accepted, with everything that was decided then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from atos_orchestrator.agents.roles import Profile
from atos_orchestrator.execution.limits import Limits

GOAL, TASK, PLAN = "goal", "task", "plan"
"""Names of the workflows in the durable runtime; here, because who submits one needs no more of it."""

FINISHED = "goal:goal_finished:end"
"""Key of a goal's last event: whoever tells its end first has the last word."""


@dataclass(frozen=True, slots=True)
class GoalInput:
    """The argument of a goal's run."""

    goal: str
    """Its id."""
    text: str
    slug: str
    profile: Profile
    submitted_at: float
    """Epoch seconds; the goal's commits carry this moment."""
    into: str | None = None
    engine: str = ""
    models: tuple[str, ...] = ()
    announcement: str = ""
    plan: Mapping[str, Any] | None = field(default=None, hash=False)
    """A plan handed in by the caller."""
    limits: Limits = field(default_factory=Limits)


def goal_input_to_json(order: GoalInput) -> dict[str, Any]:
    """Return the plain form of an order."""
    return asdict(order) | {"models": list(order.models)}


def goal_input_from_json(data: Mapping[str, Any]) -> GoalInput:
    """Rebuild an order that `goal_input_to_json` wrote."""
    built: dict[str, Any] = dict(data)
    built["models"] = tuple(data["models"])
    built["limits"] = Limits(**data["limits"])
    return GoalInput(**built)
