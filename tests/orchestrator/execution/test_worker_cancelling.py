"""Which run of a goal the host's word to cancel ends, whenever it comes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from atos_orchestrator.execution.database import Database
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_input import GoalInput, finished_key
from atos_orchestrator.execution.pause_gate import PauseGate
from atos_orchestrator.execution.worker import Worker
from atos_protocol.settings import load_settings

pytestmark = pytest.mark.timeout(60)


class NoHints:
    """Publishes nothing."""

    def note_change(self, goal: str) -> None:
        assert goal


class Resumed:
    """A goal that has ended, and was resumed: its second run is queued."""

    def __init__(self) -> None:
        settings = load_settings()
        self.database = Database(settings)
        self.client = DbosClient(self.database.engine, retries=False)
        events = EventStore(self.database.engine)
        events.create()
        self.client.prepare()
        acceptance = GoalAcceptance(self.database.engine, events, self.client)
        first = GoalInput("g1", "Do it", "do-it", "general", 1.0)
        acceptance.accept(first, "goal_submitted", {}, "submitted")
        events.append("g1", "goal_finished", {"state": "failed"}, key=finished_key(1))
        again = GoalInput("g1", "Do it", "do-it", "general", 1.0, revision=2)
        acceptance.accept(again, "goal_resumed", {}, "resumed:2")
        runtime = DbosRuntime(self.database.patient)
        hints = cast("Any", NoHints())
        self.worker = Worker(settings, self.database, runtime, events, hints, PauseGate())

    async def state(self) -> str:
        (run,) = await self.client.list(ids=["g1.r2"])
        return run.state


@pytest.fixture
def goal(atos_home: Path) -> Iterator[Resumed]:
    made = Resumed()
    yield made
    made.database.dispose()


async def test_a_word_that_comes_late_does_not_end_the_run_by_which_the_goal_went_on(
    goal: Resumed,
) -> None:
    await goal.worker.cancel("g1", 1)

    assert await goal.state() == "queued"


@pytest.mark.parametrize("revision", [2, 0])
async def test_the_newest_run_is_ended_and_so_it_is_where_an_earlier_host_names_none(
    goal: Resumed, revision: int
) -> None:
    await goal.worker.cancel("g1", revision)

    assert await goal.state() == "cancelled"
