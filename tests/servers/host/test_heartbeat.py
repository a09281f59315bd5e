"""A long call shows that it is alive, whatever its tool is."""

import anyio
import pytest

from atos_servers.host import heartbeat as beating
from atos_servers.host.heartbeat import heartbeat


class Heard:
    """What a client would be sent."""

    def __init__(self) -> None:
        self.said: list[tuple[float, float | None, str | None]] = []
        self.twice = anyio.Event()

    async def report(self, done: float, total: float | None, text: str | None) -> None:
        self.said.append((done, total, text))
        if len(self.said) == 2:
            self.twice.set()


async def test_a_call_that_runs_reports_its_seconds_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.01)
    heard = Heard()
    with anyio.fail_after(10):
        async with heartbeat("run_python", heard.report):
            await heard.twice.wait()
    count = len(heard.said)
    await anyio.wait_all_tasks_blocked()
    assert len(heard.said) == count
    assert heard.said[0] == (0.0, None, "run_python has run for 0 s")


async def test_tools_that_report_themselves_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.0)
    heard = Heard()
    async with heartbeat("wait_goal", heard.report):
        await anyio.wait_all_tasks_blocked()
    assert heard.said == []


async def test_a_failure_leaves_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with heartbeat("run_python", Heard().report):
            raise ZeroDivisionError
