"""The goals of whoever calls: a token sees, cancels and answers its own; the person, everybody's.

What belongs to somebody else is answered as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atos_protocol.errors import NotFoundError
from atos_protocol.goals import Event, GoalCheck, GoalNews, GoalView, Priority, TaskReport

if TYPE_CHECKING:
    from atos_orchestrator.execution.goal_api import Progress, TaskPool
    from atos_orchestrator.execution.goals import Goals
    from atos_orchestrator.workspace.delivered_files import Delivered


class OwnGoals:
    """`Goals` as one caller may use them; every method with a goal's id looks whose it is first.

    Args:
        goals: everybody's.
        owner: name of the caller's token; "" for the person.
    """

    def __init__(self, goals: Goals, owner: str) -> None:
        self._goals = goals
        self._owner = owner

    async def _check(self, goal: str) -> None:
        """Raise NotFoundError for a goal of somebody else."""
        if self._owner and await self._goals.owner(goal) != self._owner:
            message = f"there is no goal {goal[:80]!r}"
            raise NotFoundError(message, next_step="list_goals shows the goals that exist.")

    async def check(self, text: str, examples: Sequence[str]) -> GoalCheck:
        """Return what is known of a goal's text."""
        return await self._goals.check(text, examples)

    async def plan(self, text: str) -> dict[str, Any]:
        """Make a plan and nothing else."""
        return dict(await self._goals.plans.plan(text))

    async def start(
        self,
        text: str,
        *,
        into: Path | None,
        plan: Mapping[str, Any] | None,
        examples: Sequence[str],
        tests: str,
        priority: Priority = "normal",
        key: str = "",
        deploy: str = "",
        review: bool = False,
        router: str = "builtin",
    ) -> GoalView:
        """Accept a goal in the caller's name."""
        return await self._goals.start(
            text,
            into=into,
            plan=plan,
            examples=examples,
            tests=tests,
            priority=priority,
            key=key,
            deploy=deploy,
            review=review,
            router=router,
            owner=self._owner,
        )

    async def run_task(
        self,
        text: str,
        *,
        pool: TaskPool = "auto",
        key: str = "",
        examples: Sequence[str] = (),
        tests: str = "",
    ) -> GoalView:
        """Accept a goal of one task in the caller's name."""
        return await self._goals.run_task(
            text, pool=pool, key=key, examples=examples, tests=tests, owner=self._owner
        )

    async def get(self, goal: str) -> GoalView:
        """Return a goal."""
        await self._check(goal)
        return await self._goals.get(goal)

    async def wait(
        self, goal: str, *, after: int = 0, seconds: float, progress: Progress | None = None
    ) -> GoalNews:
        """Return the events after number `after`, as soon as there are any."""
        await self._check(goal)
        return await self._goals.wait(goal, after=after, seconds=seconds, progress=progress)

    async def ended(self, goal: str, seconds: float, progress: Progress) -> GoalView:
        """Return a goal when it has ended, or as it stands when the time is up."""
        await self._check(goal)
        return await self._goals.ended(goal, seconds, progress)

    async def list(self, limit: int, before: int) -> tuple[list[GoalView], int]:
        """Return the caller's goals, newest first, and where the next page begins (0: no more)."""
        return await self._goals.list(limit, before, self._owner)

    async def cancel(self, goal: str) -> GoalView:
        """End a goal."""
        await self._check(goal)
        return await self._goals.cancel(goal)

    async def pause(self, goal: str) -> GoalView:
        """Have nothing work for a goal until it is resumed."""
        await self._check(goal)
        return await self._goals.pausing.pause(goal)

    async def resume(self, goal: str) -> GoalView:
        """Have a paused goal go on."""
        await self._check(goal)
        return await self._goals.pausing.resume(goal)

    async def answer(self, goal: str, task: str, answer: str) -> GoalView:
        """Go on with an answer to a task's question."""
        await self._check(goal)
        return await self._goals.steering.answer(goal, task, answer)

    async def fix(self, goal: str, task: str, files: Mapping[str, str]) -> GoalView:
        """Go on with code for a task."""
        await self._check(goal)
        return await self._goals.steering.fix(goal, task, files)

    async def retry(self, goal: str) -> GoalView:
        """Try again what is not done."""
        await self._check(goal)
        return await self._goals.steering.retry(goal)

    async def delivered(self, goal: str) -> Delivered:
        """Return the files that a goal has committed so far."""
        await self._check(goal)
        return await self._goals.delivered(goal)

    async def plan_under_review(self, goal: str) -> dict[str, Any]:
        """Return the plan that a goal waits with."""
        await self._check(goal)
        return await self._goals.plan_under_review(goal)

    async def approve(self, goal: str, digest: str) -> GoalView:
        """Go on with the plan of that digest."""
        await self._check(goal)
        return await self._goals.steering.approve(goal, digest)

    async def edit(self, goal: str, plan: Mapping[str, Any]) -> GoalView:
        """Replace the plan that a goal waits with."""
        await self._check(goal)
        return await self._goals.steering.edit(goal, plan)

    async def note(self, goal: str, text: str) -> GoalView:
        """Say something to the tasks that begin later."""
        await self._check(goal)
        return await self._goals.steering.note(goal, text)

    async def limits(self, goal: str, seconds: float, model_calls: int) -> GoalView:
        """Set what a goal may use in all."""
        await self._check(goal)
        return await self._goals.steering.limits(goal, seconds, model_calls)

    async def events(self, goal: str) -> Sequence[Event]:
        """Return all events of a goal."""
        await self._check(goal)
        return await self._goals.events(goal)

    async def task(self, goal: str, task: str) -> TaskReport:
        """Return everything about one task."""
        await self._check(goal)
        return await self._goals.task(goal, task)
