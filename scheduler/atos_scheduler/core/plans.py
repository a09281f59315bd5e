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
    begun: set[str] = field(default_factory=set[str])
    """Steps that were asked for, or could have been."""

    def ready(self, name: str) -> bool:
        return not any(self.left.get(before) for before in self.steps[name].after)


@dataclass(slots=True)
class Plans:
    """The newest plan of every goal, kept up to date by the requests that are seen."""

    _plans: dict[str, _Plan] = field(default_factory=dict[str, _Plan])
    _soon: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """Goal and step whose next request nothing delays any more -> until when it should be there."""

    def publish(self, goal: str, steps: Iterable[PlannedStep], until: float, now: float) -> None:
        """Replace a goal's plan by one that holds until a moment; no steps: forget it."""
        known = {step.id: step for step in steps}
        before = self._plans.get(goal)
        if not known:
            self.forget(goal)
            return
        begun = before.begun & known.keys() if before else set[str]()
        plan = _Plan(known, until, {s.id: s.calls for s in known.values()}, begun)
        self._plans[goal] = plan
        self._soon = {k: at for k, at in self._soon.items() if k[0] != goal or k[1] in known}
        self._expect(goal, plan, (name for name in known if name not in begun), now)

    def _expect(self, goal: str, plan: _Plan, names: Iterable[str], now: float) -> None:
        for name in [n for n in names if plan.ready(n)]:
            plan.begun.add(name)
            self._soon[goal, name] = now + GRACE

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
        if (plan := self._plans.get(goal)) is not None and task in plan.steps:
            plan.begun.add(task)

    def ended(self, goal: str, task: str, now: float) -> None:
        """Note that a step's request is over: its next one comes, or those of the steps behind it."""
        if (plan := self._plans.get(goal)) is None or task not in plan.left:
            return
        plan.left[task] = max(0, plan.left[task] - 1)
        if plan.left[task]:
            self._soon[goal, task] = now + LATE * plan.steps[task].off_gpu + GRACE
        else:
            behind = (s.id for s in plan.steps.values() if task in s.after)
            self._expect(goal, plan, behind, now)

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

    def next_expected(self, now: float) -> float:
        """Return the next moment at which something expected is late, or infinity."""
        return min((at for at in self._soon.values() if at > now), default=float("inf"))

    def ready_for(self, model: str) -> int:
        """Return how many steps that nothing delays a model could do now."""
        return sum(
            bool(plan.left[name]) and plan.ready(name)
            for plan in self._plans.values()
            for name, step in plan.steps.items()
            if any(c.model == model for c in step.candidates)
        )

    def remaining(self) -> Iterator[tuple[str, PlannedStep]]:
        """Iterate over the steps that are not done, each with its goal."""
        for goal, plan in self._plans.items():
            for name, step in plan.steps.items():
                if plan.left[name]:
                    yield goal, step
