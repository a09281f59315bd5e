"""Where the steps of paused goals wait, and that nothing of them is at work meanwhile."""

from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from atos_orchestrator.execution.pause_gate import PauseGate

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(30)]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await checkpoint()


class Work:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = self.stopped = 0
        self.done = anyio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.done.wait()
        except BaseException:
            self.stopped += 1
            raise
        return "done"


async def test_a_step_of_a_paused_goal_begins_when_the_goal_goes_on() -> None:
    gate, work = PauseGate(), Work()
    work.done.set()
    gate.close_for({"g1"})
    results: list[str] = []

    async def step() -> None:
        results.append(await gate.through("g1", work))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(step)
        await until(lambda: gate.held == 1)
        assert (work.begun, results) == (0, [])
        gate.close_for(())
    assert (work.begun, results, gate.held) == (1, ["done"], 0)


async def test_what_works_for_a_goal_is_stopped_by_the_pause_and_begun_again_after_it() -> None:
    gate, paused, other = PauseGate(), Work(), Work()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.through, "g1", paused)
        tasks.start_soon(gate.through, "g2", other)
        await until(lambda: paused.begun == other.begun == 1)
        gate.close_for({"g1"})
        await until(lambda: gate.held == 1)
        assert (paused.stopped, other.stopped) == (1, 0)
        gate.close_for({"g1"})  # the next look finds the same
        gate.close_for(())
        await until(lambda: paused.begun == 2)
        paused.done.set()
        other.done.set()
    assert (paused.begun, other.begun) == (2, 1)


async def test_a_step_that_waits_at_the_gate_can_be_cancelled() -> None:
    gate, work = PauseGate(), Work()
    gate.close_for({"g1"})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.through, "g1", work)
        await until(lambda: gate.held == 1)
        tasks.cancel_scope.cancel()
    assert (work.begun, gate.held) == (0, 0)


async def test_goals_are_counted_and_not_their_steps() -> None:
    gate, work, changes = PauseGate(), Work(), list[int]()
    gate.listen(lambda: changes.append(gate.held))
    gate.close_for({"g1", "g2"})
    async with anyio.create_task_group() as tasks:
        for goal in ("g1", "g1", "g2"):
            tasks.start_soon(gate.through, goal, work)
        await until(lambda: gate.held == 2)
        work.done.set()
        gate.close_for(())
    assert changes == [1, 2, 1, 0]
