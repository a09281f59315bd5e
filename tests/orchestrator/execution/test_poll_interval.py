"""When the worker polls its queues often, and when seldom."""

import threading

import anyio

from atos_orchestrator.execution.dbos_client import IDLE_POLL_SECONDS, POLL_SECONDS
from atos_orchestrator.execution.poll_interval import PollInterval


class Interval:
    """Notes the intervals that were set, in another thread, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.set: list[float] = []
        self._changed = threading.Semaphore(0)

    def __call__(self, seconds: float) -> None:
        self.set.append(seconds)
        self._changed.release()

    async def next(self) -> None:
        with anyio.fail_after(5):
            await anyio.to_thread.run_sync(self._changed.acquire)


async def test_the_worker_polls_often_after_activity_and_seldom_until_the_next() -> None:
    interval, idle = Interval(), list[float]()
    poll_interval = PollInterval(interval, idle_after=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poll_interval.run)
        await interval.next()
        await interval.next()
        idle = list(interval.set)
        poll_interval.note_activity()
        await interval.next()
        tasks.cancel_scope.cancel()

    assert idle == [POLL_SECONDS, IDLE_POLL_SECONDS]
    assert interval.set == [POLL_SECONDS, IDLE_POLL_SECONDS, POLL_SECONDS]
