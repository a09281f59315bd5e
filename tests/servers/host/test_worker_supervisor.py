"""The worker is kept alive, told what it must know, and ended with its host."""

import errno
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from atos_protocol.settings import load_settings
from atos_servers.host import worker_supervisor
from atos_servers.host.goal_worker_process import GoalWorkerProcess, spawn_worker
from atos_servers.host.services import EventNotifier
from atos_servers.host.worker_supervisor import WorkerSupervisor
from doubles.eventually import eventually

SMALL_WORKER = Path(__file__).parents[2] / "doubles" / "small_worker.py"


class Supervised:
    """A supervisor at work on small workers."""

    def __init__(self, home: Path, mode: str) -> None:
        self.heard = home.parent / "heard"
        settings = load_settings()
        settings.prepare()
        command = (sys.executable, "-S", str(SMALL_WORKER), mode, str(self.heard))
        self.notifier = EventNotifier()
        self.refusals = 0
        self._really = partial(spawn_worker, settings, command)
        self.first = self.spawn()
        self.supervisor = WorkerSupervisor(self.spawn, self.notifier, self.first)

    def spawn(self) -> GoalWorkerProcess:
        """Start a worker, unless the machine is to have no process left."""
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self._really()

    async def until(self, state: str, restarts: int = 0) -> int | None:
        worker = self.supervisor
        await eventually(lambda: (worker.state, worker.restarts) == (state, restarts))
        return self.supervisor.pid

    async def until_heard(self, *words: str) -> None:
        await eventually(
            lambda: self.heard.exists() and self.heard.read_text().split() == list(words)
        )


@asynccontextmanager
async def supervised(home: Path, mode: str = "good") -> AsyncGenerator[Supervised]:
    at_work = Supervised(home, mode)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at_work.supervisor.run)
        yield at_work
        tasks.cancel_scope.cancel()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_first_worker_is_the_one_that_was_started_already(atos_home: Path) -> None:
    async with supervised(atos_home) as at_work:
        assert await at_work.until("up") == at_work.first.process.pid


async def test_messages_reach_it_and_its_events_are_notified(atos_home: Path) -> None:
    async with supervised(atos_home) as at_work:
        await at_work.until("up")
        await at_work.supervisor.notify({"op": "wake"})
        await at_work.supervisor.notify({"op": "cancel", "goal": "g1"})
        await at_work.until_heard("wake", "cancel")
        assert await at_work.notifier.wait("g1", 3, 5)


async def test_a_worker_that_is_killed_is_replaced_and_the_new_one_hears(atos_home: Path) -> None:
    async with supervised(atos_home) as at_work:
        first = await at_work.until("up")
        assert first
        os.kill(first, signal.SIGKILL)
        second = await at_work.until("up", restarts=1)
        assert second != first
        await at_work.supervisor.notify({"op": "wake"})
        await at_work.until_heard("wake")


async def test_a_worker_that_is_stopped_holds_nobody_up_and_hears_everything_afterwards(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(atos_home) as at_work:
        pid = await at_work.until("up")
        assert pid
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(worker_supervisor, "NOTICE_SECONDS", 0.1)
        with anyio.fail_after(20):
            for _ in range(10):
                await at_work.supervisor.notify({"op": "wake", "padding": "x" * 50_000})
        os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr(worker_supervisor, "NOTICE_SECONDS", 10.0)
        await at_work.supervisor.notify({"op": "cancel", "goal": "g1"})
        await at_work.until_heard(*["wake"] * 10, "cancel")


async def test_a_worker_that_can_not_start_is_tried_again_later_and_later(atos_home: Path) -> None:
    async with supervised(atos_home, "broken") as at_work:
        begun = anyio.current_time()
        await at_work.until("down", restarts=2)
        assert anyio.current_time() - begun >= 0.2 + 0.4
        await at_work.supervisor.notify({"op": "wake"})  # nobody is there: no error


async def test_a_machine_that_has_no_process_left_is_asked_again_later(atos_home: Path) -> None:
    async with supervised(atos_home) as at_work:
        first = await at_work.until("up")
        assert first
        at_work.refusals = 2
        os.kill(first, signal.SIGKILL)
        assert await at_work.until("up", restarts=3) != first


async def test_the_end_of_the_host_drains_the_worker(atos_home: Path) -> None:
    async with supervised(atos_home) as at_work:
        pid = await at_work.until("up")
    assert at_work.heard.read_text() == "drained\n"
    assert pid
    assert not is_alive(pid)
    assert at_work.supervisor.state == "stopped"


@pytest.mark.timeout(30)
async def test_a_worker_that_does_not_drain_is_killed_after_a_second(atos_home: Path) -> None:
    async with supervised(atos_home, "stubborn") as at_work:
        pid = await at_work.until("up")
        begun = anyio.current_time()
    assert 0.9 < anyio.current_time() - begun < 5
    assert pid
    assert not is_alive(pid)
    assert at_work.first.process.returncode == -signal.SIGKILL


async def test_what_the_worker_says_of_the_database_is_kept_until_it_is_well(
    atos_home: Path,
) -> None:
    async with supervised(atos_home, "waiting") as at_work:
        await eventually(lambda: bool(at_work.supervisor.database))
        away = at_work.supervisor.database
        await at_work.supervisor.notify({"op": "wake"})
        await eventually(lambda: not at_work.supervisor.database)

    assert away == {"state": "degraded", "why": "gone", "todo": "", "since": 1.0}
