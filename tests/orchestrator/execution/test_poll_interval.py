"""When the worker rests, and when it looks often."""

from dataclasses import dataclass, field

import anyio
import pytest

from atos_orchestrator.execution import poll_interval as module
from atos_orchestrator.execution.dbos_client import IDLE_POLL_SECONDS, POLL_SECONDS
from atos_orchestrator.execution.poll_interval import PollInterval


@dataclass
class Paced:
    """Notes the paces that were set."""

    paces: list[float] = field(default_factory=list[float])

    def pace(self, seconds: float) -> None:
        self.paces.append(seconds)


async def test_the_worker_rests_when_nothing_is_unfinished_and_wakes_when_stirred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REST_AFTER_SECONDS", 0.05)
    runtime, goals = Paced(), ["g1"]
    pace = PollInterval(runtime, lambda: list(goals))
    busy, resting, woken = list[float](), list[float](), list[float]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pace.run)
        await anyio.sleep(0.3)
        busy = list(runtime.paces)
        goals.clear()
        await anyio.sleep(0.3)
        resting = list(runtime.paces)
        pace.stir()
        await anyio.sleep(0.02)
        woken = list(runtime.paces)
        tasks.cancel_scope.cancel()

    assert busy == [POLL_SECONDS]
    assert resting == [POLL_SECONDS, IDLE_POLL_SECONDS]
    assert woken == [POLL_SECONDS, IDLE_POLL_SECONDS, POLL_SECONDS]
