"""What sends traces is a child that nobody waits for: it may hang, end, or not read, and leaves nothing behind."""

import sys
from pathlib import Path

import anyio
import pytest

from atos_protocol.settings import load_settings
from atos_servers.host import trace_exporter as module
from atos_servers.host.services import EventNotifier
from atos_servers.host.trace_exporter import TraceExporter
from doubles.eventually import eventually
from doubles.marked_processes import running_with

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def notifier(atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> EventNotifier:
    del atos_home
    load_settings().prepare()
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    return EventNotifier()


def program(monkeypatch: pytest.MonkeyPatch, code: str, word: str) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-S", "-c", code, word))


async def test_one_that_never_reads_holds_up_no_event(
    notifier: EventNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, "import time; time.sleep(100)", "deaf-exporter")
    exporter = TraceExporter(load_settings(), notifier)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exporter.run)
        await eventually(lambda: bool(running_with("deaf-exporter")))
        for seq in range(200_000):  # more than any pipe holds
            notifier.notify("g1", seq)
        tasks.cancel_scope.cancel()
    assert running_with("deaf-exporter") == []


async def test_one_that_ends_is_replaced_and_a_ring_between_them_is_no_error(
    notifier: EventNotifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    program(monkeypatch, f"open({str(starts)!r}, 'a').write('x')", "short-exporter")
    exporter = TraceExporter(load_settings(), notifier)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exporter.run)
        await eventually(lambda: starts.exists() and len(starts.read_text()) >= 3, seconds=60)
        notifier.notify("g1", 1)
        tasks.cancel_scope.cancel()


async def test_its_end_takes_along_what_it_started(
    notifier: EventNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(100)', 'its-child'])"
    program(monkeypatch, code, "hung-exporter")
    exporter = TraceExporter(load_settings(), notifier)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exporter.run)
        await eventually(lambda: bool(running_with("its-child")), seconds=30)
        tasks.cancel_scope.cancel()
    await eventually(lambda: not running_with("its-child"))
    assert running_with("hung-exporter") == []
