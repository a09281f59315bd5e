"""However a run ends, nothing of it is left: cancelled, its host killed, or its turn never came."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from doubles.marked_processes import running_with, wait_until_gone

from atos.scheduler.errors import BusyError
from atos.servers.code_runner import runner as runner_module
from atos.servers.code_runner import workplace
from atos.servers.code_runner.runner import Runner, Script

pytestmark = pytest.mark.timeout(60)

SLEEPERS = """
import os, subprocess, sys, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        os.execv(sys.executable, [sys.executable, "-S", "-c", code, "{marker}"])
time.sleep(60)
"""


async def wait_for(word: str, count: int) -> None:
    with anyio.fail_after(15):
        while len(running_with(word)) < count:
            await anyio.sleep(0.02)


def run_folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"{workplace.PREFIX}*")}


async def test_cancelling_ends_every_process_and_removes_the_folder(
    runner: Runner, workspace: Path
) -> None:
    marker = f"cancelled{secrets.token_hex(6)}"
    before = run_folders()
    async with anyio.create_task_group() as group:
        script = Script(code=SLEEPERS.format(marker=marker))
        group.start_soon(lambda: runner.script(workspace, [workspace], script, timeout=30))
        await wait_for(marker, 2)
        began = time.monotonic()
        group.cancel_scope.cancel()
    assert time.monotonic() - began < 3
    assert running_with(marker) == []
    assert run_folders() <= before


HOST = """
import anyio, sys
from pathlib import Path
from atos.servers.code_runner.runner import Runner, Script

async def main():
    folder = Path(sys.argv[1])
    await Runner().script(folder, [folder], Script(code=sys.argv[2]), timeout=30)

anyio.run(main)
"""


async def test_a_killed_host_leaves_no_process_and_no_folder(workspace: Path) -> None:
    marker = f"killed{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="atos") as temporary:
        environment = {**os.environ, "TMPDIR": temporary}
        command = [sys.executable, "-c", textwrap.dedent(HOST), str(workspace)]
        host = subprocess.Popen([*command, SLEEPERS.format(marker=marker)], env=environment)
        try:
            await wait_for(marker, 3)  # the host's own arguments hold the marker too
        finally:
            host.send_signal(signal.SIGKILL)
            host.wait()
        left = await anyio.to_thread.run_sync(wait_until_gone, marker)
        with anyio.move_on_after(5):
            while list(Path(temporary).iterdir()):
                await anyio.sleep(0.02)
        assert left == []
        assert list(Path(temporary).iterdir()) == []


async def test_a_killed_supervisor_is_told_and_takes_the_code_with_it(
    best_runner: Runner, workspace: Path
) -> None:
    marker = f"lonely{secrets.token_hex(6)}"
    code = f"import time\n# {marker}\ntime.sleep(60)"
    causes: list[str] = []

    async def run() -> None:
        result = await best_runner.script(workspace, [workspace], Script(code=code), timeout=30)
        causes.append(result.cause)

    await best_runner.ladder()
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        with anyio.fail_after(10):
            while not (launched := children_running("launch.py")):
                await anyio.sleep(0.02)
        for supervisor in launched:
            os.kill(supervisor, signal.SIGKILL)
    assert causes == ["lost"]
    assert children_running("launch.py") == []


def children_running(word: str) -> list[int]:
    parent = f"PPid:\t{os.getpid()}\n"
    return [pid for pid in running_with(word) if parent in Path(f"/proc/{pid}/status").read_text()]


async def test_a_call_whose_turn_never_comes_is_told_so(
    best_runner: Runner, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await best_runner.ladder()
    monkeypatch.setattr(runner_module, "CALL_SECONDS", 2.2)
    marker = f"queued{secrets.token_hex(6)}"
    async with anyio.create_task_group() as group:
        for _ in range(os.cpu_count() or 1):
            script = Script(code=SLEEPERS.format(marker=marker))
            group.start_soon(
                lambda s=script: best_runner.script(workspace, [workspace], s, timeout=1)
            )
        await wait_for(marker, 1)
        with pytest.raises(BusyError):
            await best_runner.script(workspace, [workspace], Script(code="1"), timeout=1)
        group.cancel_scope.cancel()
    assert wait_until_gone(marker) == []


def test_old_folders_of_killed_runs_are_swept_and_young_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, young = (tmp_path / f"{workplace.PREFIX}{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
    past = time.time() - workplace.STALE_SECONDS - 1
    os.utime(old, (past, past))
    workplace.sweep()
    assert [p.name for p in tmp_path.iterdir()] == [young.name]
