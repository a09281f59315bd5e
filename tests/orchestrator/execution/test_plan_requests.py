"""Plans without a goal: one run per text, and no text is kept for ever."""

from typing import Any, cast

import anyio
import pytest

from atos_orchestrator.execution import plan_requests
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.plan_requests import MOST_PLANS, PlanRequests
from atos_orchestrator.ports import Json
from atos_protocol.errors import DeadlineError


class Planning:
    """An intake and a client whose plans are never ready."""

    def __init__(self) -> None:
        self.submitted = list[str]()

    async def decide(self, goal: str, text: str) -> GoalInput:
        self.submitted.append(text)
        return GoalInput(goal, text, "slug", "general", 1.0)

    async def submit(self, *_: object, **__: object) -> None:
        """Queue it."""

    async def result(self, _run: str) -> Json:
        await anyio.sleep_forever()
        return {}

    async def notify(self, _message: dict[str, Any]) -> None:
        """Wake nobody."""


async def asked(requests: PlanRequests, text: str) -> None:
    with pytest.raises(DeadlineError):
        await requests.plan(text)


async def test_plans_that_nobody_fetches_are_forgotten_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_requests, "PLAN_SECONDS", 0.0)
    planning = Planning()
    intake, client = cast("Any", planning), cast("Any", planning)
    requests = PlanRequests(intake, client, planning.notify)
    texts = [f"Write function number {number}" for number in range(MOST_PLANS + 1)]

    for text in texts:
        await asked(requests, text)
    await asked(requests, texts[-1])
    again = len(planning.submitted)
    await asked(requests, texts[0])

    assert (again, planning.submitted[again:]) == (MOST_PLANS + 1, [texts[0]])
