"""Published plans: what goals will still ask for. Hints only: nothing is granted, refused or kept because of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from atos_scheduler.core.types import Candidate

GRACE = 0.25
"""Seconds within which a next request that nothing delays is there."""
LATE = 2.0
"""Work between two requests may take so many times what the plan says."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One task of a plan that is not done yet."""

    id: str
    after: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    calls: int = 1
    """Requests that remain, at least one."""
    off_gpu: float = 0.0
    """Seconds of work before the next request that need no model."""


@dataclass(slots=True)
class _Plan:
    steps: dict[str, PlannedStep]
    until: float
    left: dict[str, int]
    """Calls that remain of each step; a step without any is done."""


@dataclass(slots=True)
class Plans:
    """The newest plan of every goal, kept up to date by the requests that are seen."""

    _plans: dict[str, _Plan] = field(default_factory=dict[str, _Plan])
    _soon: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """Goal and step whose next request nothing delays any more -> until when it should be there."""

    def publish(self, goal: str, steps: Iterable[PlannedStep], until: float) -> None:
        """Replace a goal's plan by one that holds until a moment; no steps: forget it."""
        known = {step.id: step for step in steps}
        self.forget(goal)
        if known:
            self._plans[goal] = _Plan(known, until, {s.id: s.calls for s in known.values()})

    def forget(self, goal: str) -> None:
        """Forget a goal's plan."""
        self._plans.pop(goal, None)
        self._soon = {key: until for key, until in self._soon.items() if key[0] != goal}

    def expire(self, now: float) -> None:
        """Forget plans whose time is over."""
        for goal in [g for g, plan in self._plans.items() if plan.until <= now]:
            self.forget(goal)

    def asked(self, goal: str, task: str) -> None:
        """Note that a step's request has come."""
        self._soon.pop((goal, task), None)

    def ended(self, goal: str, task: str, now: float) -> None:
        """Note that a step's request is over: its next one comes, or those of the steps behind it."""
        if (plan := self._plans.get(goal)) is None or task not in plan.left:
            return
        plan.left[task] = max(0, plan.left[task] - 1)
        following = [task] if plan.left[task] else _freed(plan, task)
        for name in following:
            self._soon[goal, name] = now + LATE * plan.steps[name].off_gpu + GRACE

    def expected_until(self, model: str) -> float:
        """Return until when a request that nothing delays should be there for a model, or minus infinity."""
        return max(
            (
                until
                for (goal, task), until in self._soon.items()
                if any(c.model == model for c in self._plans[goal].steps[task].candidates)
            ),
            default=float("-inf"),
        )

    def remaining(self) -> Iterator[tuple[str, PlannedStep]]:
        """Iterate over the steps that are not done, each with its goal."""
        for goal, plan in self._plans.items():
            for name, step in plan.steps.items():
                if plan.left[name]:
                    yield goal, step


def _freed(plan: _Plan, done: str) -> list[str]:
    return [
        step.id
        for step in plan.steps.values()
        if done in step.after and not any(plan.left.get(name) for name in step.after)
    ]
