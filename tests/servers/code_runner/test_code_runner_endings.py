"""However a run ends, nothing of it is left: cancelled, its host killed, or its turn never came."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client

from atos_protocol.errors import BusyError
from atos_protocol.settings import load_settings
from atos_servers.code_runner import run_folder
from atos_servers.code_runner.evaluation import Evaluated
from atos_servers.code_runner.execution import GRACE_SECONDS
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from doubles.deep_folders import nest
from doubles.marked_processes import children_with, comes_true, gone, running_with

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


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def started(word: str, count: int) -> None:
    assert await comes_true(lambda: len(running_with(word)) >= count, 15)


@pytest.fixture
def private_temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that no other run on this machine uses."""
    with tempfile.TemporaryDirectory(prefix="atos") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


async def test_cancelling_ends_every_process_and_removes_the_folder(
    runner: Runner, workspace: Path, private_temporary: Path
) -> None:
    marker = f"cancelled{secrets.token_hex(6)}"
    began = 0.0
    async with anyio.create_task_group() as group:
        script = Script(code=SLEEPERS.format(marker=marker))
        group.start_soon(lambda: runner.script(workspace, [workspace], script, seconds=30))
        await started(marker, 2)
        began = time.monotonic()
        group.cancel_scope.cancel()
    assert time.monotonic() - began < 3
    assert running_with(marker) == []
    assert names_in(private_temporary) == []


HOST = """
import anyio, sys
from pathlib import Path
from atos_servers.code_runner.execution import GRACE_SECONDS
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner

async def main():
    folder = Path(sys.argv[1])
    await Runner().script(folder, [folder], Script(code=sys.argv[2]), seconds=30)

anyio.run(main)
"""


@pytest.fixture
def killed_host(workspace: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A process of its own that runs the sleepers; its marker; where it keeps its folders."""
    marker = f"killed{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="atos") as temporary:
        command = [sys.executable, "-c", HOST, str(workspace), SLEEPERS.format(marker=marker)]
        host = subprocess.Popen(command, env={**os.environ, "TMPDIR": temporary})
        yield host, marker, Path(temporary)
        host.kill()
        host.wait()


async def test_a_killed_host_leaves_no_process_and_no_folder(
    killed_host: tuple[subprocess.Popen[bytes], str, Path],
) -> None:
    host, marker, temporary = killed_host
    await started(marker, 3)  # the host's own arguments hold the marker too
    host.send_signal(signal.SIGKILL)
    host.wait()
    assert await gone(marker)
    assert await comes_true(lambda: names_in(temporary) == [])


CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-S", "-c", "import time; time.sleep(60)", "{marker}"])
"""


async def test_a_killed_supervisor_is_noticed_and_takes_the_code_with_it(
    best_runner: Runner, workspace: Path
) -> None:
    marker = f"lonely{secrets.token_hex(6)}"
    code = CHILD.format(marker=marker)
    causes: list[str] = []

    async def run() -> None:
        result = await best_runner.script(workspace, [workspace], Script(code=code), seconds=30)
        causes.append(result.cause)

    await best_runner.sandbox()
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await started(marker, 1)
        for supervisor in children_with("launch.py"):
            os.kill(supervisor, signal.SIGKILL)
    assert causes == ["lost"]
    assert children_with("launch.py") == []
    assert await gone(marker)


async def test_a_call_whose_turn_never_comes_is_refused_in_time(workspace: Path) -> None:
    runner = Runner(places=1, call_seconds=GRACE_SECONDS + 31.2)
    marker = f"queued{secrets.token_hex(6)}"
    async with anyio.create_task_group() as group:
        script = Script(code=SLEEPERS.format(marker=marker))
        group.start_soon(lambda: runner.script(workspace, [workspace], script, seconds=30))
        await started(marker, 2)
        with pytest.raises(BusyError, match="1 runs are going and 0 wait"):
            await runner.script(workspace, [workspace], Script(code="1"), seconds=30)
        group.cancel_scope.cancel()
    assert await gone(marker)


NESTED = """
import os
os.chdir(os.environ["TMPDIR"])
for _ in range({depth}):
    os.mkdir("d")
    os.chdir("d")
print("nested")
"""


async def test_deeply_nested_folders_cost_neither_the_verdict_nor_the_clean_up(
    runner: Runner, workspace: Path, private_temporary: Path
) -> None:
    run = await runner.script(
        workspace, [workspace], Script(code=NESTED.format(depth=2500)), seconds=30
    )
    assert (run.cause, run.outcome.stdout.text) == ("", "nested\n"), run.outcome.stderr.text
    assert await comes_true(lambda: names_in(private_temporary) == [], 30)


async def test_deeply_nested_folders_of_one_cell_cost_no_other_candidate(
    runner: Runner, workspace: Path, private_temporary: Path
) -> None:
    digging = f"def f():\n    exec({NESTED.format(depth=700)!r})\n    return 1\n"
    honest = "def f():\n    return 1\n"
    asked = Evaluated(({"a.py": digging}, {"a.py": honest}), ("assert f() == 1",) * 2, ())
    run = await runner.evaluation(workspace, [workspace], asked, seconds=20)
    assert [outcome.rows for outcome in run.outcomes] == [("pass", "pass")] * 2
    assert await comes_true(lambda: names_in(private_temporary) == [], 30)


FLOOD = """
import os, stat
for number in range(3, 64):
    try:
        while stat.S_ISSOCK(os.fstat(number).st_mode):
            os.write(number, b"\\n" * 65536)
    except OSError:
        pass
"""


async def test_a_report_without_end_ends_the_run(best_runner: Runner, workspace: Path) -> None:
    run = await best_runner.script(workspace, [workspace], Script(code=FLOOD), seconds=30)
    assert (run.cause, run.outcome.stdout.text) == ("output_limit", "")


async def test_more_names_of_tests_than_one_message_holds_are_refused(
    best_runner: Runner, workspace: Path
) -> None:
    folder = workspace.joinpath(*["d" * 100] * 2)
    folder.mkdir(parents=True)
    tests = "".join(f"def test_{number}(): pass\n" for number in range(35_000))
    (folder / "test_many.py").write_text(tests)
    run = await best_runner.tests(workspace, [workspace], seconds=30)
    assert run.judgement.state == "error"
    assert "the names of the tests take" in run.judgement.reasons[0]


async def test_what_killed_runs_left_is_swept_while_the_server_answers(
    private_temporary: Path, atos_home: Path
) -> None:
    del atos_home
    old, young = (private_temporary / f"{run_folder.PREFIX}{name}" for name in ("old", "young"))
    nest(old, 700)
    young.mkdir()
    past = time.time() - run_folder.STALE_SECONDS - 1
    os.utime(old, (past, past))
    server = build(Services(load_settings(), tell_nobody))
    with connected(Connection(roots=(private_temporary,))):
        async with Client(server) as client:
            answer = await client.call_tool("check_syntax", {"source": "x = 1"})
            assert answer.structured_content == {"ok": True, "errors": []}
            assert await comes_true(lambda: not old.exists(), 30)
    assert young.exists()


async def test_a_sweep_that_can_not_be_started_stops_no_server(
    private_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(private_temporary / "missing"))
    with run_folder.sweeping():
        pass


async def test_what_a_killed_supervisor_left_is_removed_beside_the_host(
    private_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "REMOVAL_SECONDS", 0.0)
    with run_folder.run_folder() as folder:
        nest(folder.scratch, 700)
    assert await comes_true(lambda: names_in(private_temporary) == [], 30)


async def tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


async def test_waiting_calls_are_served_in_order_and_a_cancelled_one_harms_nobody(
    workspace: Path,
) -> None:
    runner = Runner(places=1)
    await runner.sandbox()
    began: dict[int, float] = {}

    async def run(number: int) -> None:
        script = Script(code="import time; time.sleep(0.2)")
        result = await runner.script(workspace, [workspace], script, seconds=10)
        began[number] = result.outcome.interval()[0]

    async with anyio.create_task_group() as group:
        for number in range(4):
            if number == 2:
                group.start_soon(impatient, run, number)
            else:
                group.start_soon(run, number)
            await anyio.sleep(0.01)  # so that they queue up in this order
    assert sorted(began, key=lambda number: began[number]) == [0, 1, 3]


async def impatient(run: Callable[[int], Awaitable[None]], number: int) -> None:
    with anyio.move_on_after(0.05):
        await run(number)
