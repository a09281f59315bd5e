"""Launchers that a zygote forks: as confined as those that are started, and never depended on."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.warm_start import WarmStart
from doubles.marked_processes import children_with, comes_true
from doubles.runners import ready_zygote, sandbox_at

pytestmark = pytest.mark.timeout(60)

SEEN = """
import os, resource, sys
try:
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
except OSError:
    status = {}
limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
def readable(path):
    try:
        return bool(os.listdir(path))
    except OSError:
        return False
def target(descriptor):
    try:
        return os.fstat(descriptor).st_mode >> 12
    except OSError:
        return None
print({
    "user": (os.getresuid(), os.getresgid(), os.getgroups()) if os.getuid() == 0 else "another",
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits
        if name not in {"RLIMIT_NPROC"}},
    "kernel": [status.get(n) for n in ("CapEff", "CapPrm", "CapBnd", "Seccomp", "NoNewPrivs")],
    "descriptors": [n for n in range(64) if target(n) is not None],
    "variables": sorted(os.environ),
    "path": [entry.replace(os.getcwd(), "FOLDER") for entry in sys.path],
    "flags": str(sys.flags),
    "folder": readable("/root"), "leader": os.getpid() == os.getsid(0),
    "ours": [name for name in sys.modules if name.startswith("atos_")],
})
"""


@pytest.fixture(params=["bwrap", "landlock"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Runner, Runner]]:
    """A runner that starts its launchers, and one that forks them."""
    sandbox = await sandbox_at(request.param)
    async with ready_zygote() as warm:
        yield Runner(sandbox), Runner(sandbox, warm=warm)


async def printed(runner: Runner, folder: Path, code: str) -> str:
    run = await runner.script(folder, [folder], Script(code=code), seconds=20)
    assert (run.cause, run.outcome.code) == ("", 0), run.outcome.stderr.text
    return run.outcome.stdout.text


async def test_code_can_not_see_any_difference_in_what_confines_it(
    both: tuple[Runner, Runner], workspace: Path
) -> None:
    cold, warm = [await printed(runner, workspace, SEEN) for runner in both]
    assert warm == cold


NAMES = ("queue", "pluggy", "difflib", "packaging")


async def test_a_folders_modules_are_found_though_the_zygote_has_some_of_that_name(
    both: tuple[Runner, Runner], workspace: Path
) -> None:
    for name in NAMES:
        (workspace / f"{name}.py").write_text("WHOSE = 'mine'\n")
    code = "".join(f"import {name}\nprint({name}.WHOSE)\n" for name in NAMES)
    tests = "import impl\n\n\ndef test_it():\n    assert impl.whose() == ['mine'] * 2\n"
    (workspace / "impl.py").write_text(
        "import difflib, pluggy\n\n\ndef whose():\n    return [difflib.WHOSE, pluggy.WHOSE]\n"
    )
    (workspace / "test_impl.py").write_text(tests)
    for runner in both:
        assert (await printed(runner, workspace, code)).split() == ["mine"] * len(NAMES)
        run = await runner.tests(workspace, [workspace], seconds=20)
        assert run.judgement.state == "passed", run.judgement.digest


async def test_runs_do_not_share_their_random_numbers(
    best_runner: Runner, workspace: Path, warm: WarmStart
) -> None:
    runner = Runner(await best_runner.sandbox(), warm=warm)
    code = "import random, uuid, os\nprint(random.random(), uuid.uuid4(), os.urandom(4))"
    said = {await printed(runner, workspace, code) for _ in range(3)}
    assert len(said) == 3
    assert warm.is_ready


@pytest.fixture
async def warm() -> AsyncIterator[WarmStart]:
    async with ready_zygote() as zygote:
        yield zygote


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def zygotes() -> list[int]:
    return children_with("--zygote")


async def test_a_killed_zygote_costs_no_run(
    best_runner: Runner, workspace: Path, warm: WarmStart
) -> None:
    runner = Runner(await best_runner.sandbox(), warm=warm)
    for pid in zygotes():
        os.kill(pid, signal.SIGKILL)
    assert await printed(runner, workspace, "print(5)") == "5\n"
    assert await printed(runner, workspace, "print(6)") == "6\n"


async def test_a_stopped_zygote_costs_its_time_out_and_no_run(
    best_runner: Runner, workspace: Path, warm: WarmStart
) -> None:
    runner = Runner(await best_runner.sandbox(), warm=warm)
    stopped = set(zygotes())
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    assert await printed(runner, workspace, "print(5)") == "5\n"
    # that which was asked is gone, the other one was not asked
    assert await comes_true(lambda: len(stopped & set(zygotes())) == 1)


async def test_a_zygote_is_replaced_after_its_share_of_forks(
    best_runner: Runner, workspace: Path
) -> None:
    warm = WarmStart(this_interpreter(), most_forks=1)
    runner = Runner(await best_runner.sandbox(), warm=warm)
    seen = set[int]()
    try:
        for _ in range(3):
            warm.prepare()
            assert await comes_true(lambda: warm.is_ready, 20)
            seen.update(zygotes())
            assert await printed(runner, workspace, "print(5)") == "5\n"
    finally:
        await warm.close()
    assert len(seen) == 4  # three that forked one script each, and the one that holds pytest
    assert zygotes() == []


async def test_a_cancelled_warm_run_leaves_nothing(
    best_runner: Runner, workspace: Path, warm: WarmStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="atos") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        runner = Runner(await best_runner.sandbox(), warm=warm)
        script = Script(code="import time\ntime.sleep(60)")
        with anyio.move_on_after(1.0):
            await runner.script(workspace, [workspace], script, seconds=30)
        assert names_in(Path(folder)) == []
        assert await printed(runner, workspace, "print(5)") == "5\n"
