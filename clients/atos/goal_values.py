"""What the library returns about goals, built from the tools' JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atos_protocol.goals import GoalView, TaskView
from atos_protocol.scheduler_api import parse


@dataclass(frozen=True, slots=True)
class GoalEvent:
    """Something that happened to a goal."""

    seq: int
    """Its number; pass it to `Goal.events` to go on after it."""
    kind: str
    """Such as `task_done`; one of `atos_protocol.goals.EVENT_KINDS`."""
    task: str
    """The task's id; empty for the goal itself."""
    at: float
    """Epoch seconds."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What belongs to the kind."""


@dataclass(frozen=True, slots=True)
class GoalResult:
    """What a goal came to."""

    id: str
    state: str
    """success, failed, cancelled, needs_help or limit_reached."""
    repository: Path | None
    """The git repository with code and tests; None where there is none."""
    passed: int
    failed: int
    """Tests, both of them."""
    seconds: float
    goal: GoalView = field(repr=False)
    """The goal as it stands, with its tasks."""
    view: Mapping[str, Any] = field(repr=False)
    """The same as the server's JSON."""

    @property
    def tasks(self) -> tuple[TaskView, ...]:
        """The goal's tasks."""
        return self.goal.tasks


def goal_view(found: Mapping[str, Any]) -> GoalView:
    """Return a goal from its JSON; what a newer server adds is let pass."""
    return parse(GoalView, dict(found))


def goal_event(found: Mapping[str, Any]) -> GoalEvent:
    """Return an event from its JSON."""
    return GoalEvent(
        found["seq"], found["kind"], found.get("task") or "", found["at"], found.get("data") or {}
    )


def goal_result(found: Mapping[str, Any]) -> GoalResult:
    """Return the result of a goal that has ended."""
    goal = goal_view(found)
    return GoalResult(
        id=goal.id,
        state=goal.state,
        repository=Path(goal.repository) if goal.repository else None,
        passed=goal.tests.passed,
        failed=goal.tests.failed,
        seconds=float(goal.seconds),
        goal=goal,
        view=found,
    )
