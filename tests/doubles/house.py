"""The goals database as the host sees it, for tests that drive a worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from atos_orchestrator.durable_json import encode
from atos_orchestrator.events import fold
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS, DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_input import GOAL, GoalInput, Limits
from atos_orchestrator.execution.goal_pausing import GoalPausing
from atos_orchestrator.execution.goal_steering import GoalSteering
from atos_protocol.errors import UnreachableError
from atos_protocol.goals import Event, GoalView
from atos_protocol.settings import load_settings

MOMENT = 1_700_000_000.0
"""The goal's commits carry it, so that two runs can be compared commit by commit."""


class House:
    """The database as the host sees it."""

    def __init__(self) -> None:
        settings = load_settings()
        settings.prepare()
        self.log = settings.logs / "worker.log"
        engine = open_database(settings)
        self.close = engine.dispose
        self.events = EventStore(engine)
        self.events.create()
        self.client = DbosClient(engine)
        self.client.prepare()
        acceptance = GoalAcceptance(engine, self.events, self.client)
        self.steering = GoalSteering(acceptance, self.known, self.wake)
        self.pausing = GoalPausing(self.events, self.known, self.wake)

    async def known(self, goal: str) -> list[Event]:
        return self.events.read(goal)

    async def wake(self, _: dict[str, Any]) -> None:
        """The worker polls often enough by itself."""

    async def submit(self, goal: str = "g1") -> None:
        self.events.append(goal, "goal_submitted", {"goal": "Do it"}, key="submitted")
        limits = Limits(seconds=1e12, model_calls=10)
        goal_input = GoalInput(goal, "Do it", "do-it", "general", MOMENT, limits=limits)
        await self.client.submit(GOAL, goal, encode(goal_input), queue=GOALS)

    def view(self, goal: str = "g1") -> GoalView:
        return fold(self.events.read(goal))

    def until(
        self, holds: Callable[[GoalView], bool], *, goal: str = "g1", seconds: float = 30
    ) -> GoalView:
        """Wait until a goal's view is as wanted; a database that is away is waited for."""
        deadline = time.monotonic() + seconds
        view: GoalView | None = None
        while view is None or not holds(view):
            assert time.monotonic() < deadline, view
            with contextlib.suppress(UnreachableError):
                view = self.view(goal)
            time.sleep(0.02)
        return view
