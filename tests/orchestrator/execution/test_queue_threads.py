"""When the worker looks at its queues: at once when there may be work, else seldom."""

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.execution import queue_threads
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.queue_threads import Bell
from atos_orchestrator.ports import Json
from atos_protocol.settings import load_settings

pytestmark = pytest.mark.timeout(90)
LONG = 3600.0


def an_hour() -> float:
    return LONG


class Waits:
    """A thread that waits for a bell again and again, and a semaphore that counts its waits."""

    def __init__(self, bell: Bell) -> None:
        self.told = list[bool]()
        self._ended = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, args=(bell,), daemon=True)
        self.thread.start()

    def _run(self, bell: Bell) -> None:
        while not self.told or not self.told[-1]:
            self.told.append(bell.wait(0.001))
            self._ended.release()

    def one(self) -> bool:
        return self._ended.acquire(timeout=10)


def test_a_wait_ends_by_a_ring_and_the_last_one_by_the_stop() -> None:
    bell = Bell(an_hour)
    waits = Waits(bell)
    ended: list[bool] = []
    acts: tuple[Callable[[], None], ...] = (lambda: None, bell.ring, bell.ring, bell.set)
    for act in acts:
        act()
        ended.append(waits.one())
    waits.thread.join(10)

    assert (ended, waits.told) == ([True] * 4, [False, False, False, True])


def test_a_ring_between_two_waits_is_not_lost() -> None:
    bell = Bell(an_hour)
    bell.wait()
    bell.ring()

    assert bell.wait() is False


async def test_what_a_body_submits_and_who_waits_for_a_place_need_no_poll(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_threads, "BUSY_SECONDS", LONG)
    monkeypatch.setattr(queue_threads, "IDLE_SECONDS", LONG)
    engine = open_database(load_settings())
    runtime = DbosRuntime(engine, goals_at_once=1)
    order: list[str] = []

    async def body(argument: Json) -> Json:
        async def work() -> Json:
            order.append(str(argument["name"]))
            return {}

        return await runtime.step("work", work)

    async with runtime.worker({"body": body}):
        for name in ("a", "b", "c"):
            await runtime.submit("body", name, {"name": name}, queue=GOALS)
        with anyio.fail_after(60):
            await runtime.result("c")
    engine.dispose()

    assert order == ["a", "b", "c"]
