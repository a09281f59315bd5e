"""A goal's repository under SIGKILL: of the process and of the git that it had started."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FLOW = """
import sys
from pathlib import Path
import anyio
from atos_orchestrator.workspace import *

async def main(root):
    print("begin", flush=True)
    if (root / "recorded").exists():  # a goal's last step does not open the repository again
        return
    repository = await open_repository(
        None, "kit", goal="g1", text="A kit", home=root / "h", workspaces=root / "w",
        started_at=1_700_000_000.0)
    for number in range(1, 5):
        task = f"T{number}"
        tree = await open_worktree(repository, task)
        (tree / f"m{number}.py").write_text(f"x = {number}\\n")
        await commit_task(
            repository, task, files=[f"m{number}.py"], message=f"Do {task}", key=f"g1:{task}")
        await integrate(repository, task, key=f"g1:{task}")
        await publish(repository)
    await open_result(repository)
    await commit_files(repository, {"log.md": "told\\n"}, "Tell", key="g1:record")
    await publish(repository)
    (root / "recorded").touch()
    await close_repository(repository)

anyio.run(main, Path(sys.argv[1]))
"""


def start(root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", FLOW, str(root)]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_repository_comes_out_the_same_however_often_it_was_killed(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    killed = 0
    for _ in range(6):
        process = start(tmp_path)
        # Timed from the moment at which work begins: most of a process's life is its imports.
        assert process.stdout is not None
        assert process.stdout.readline() == b"begin\n"
        time.sleep(chance.uniform(0.0, 0.4))
        if process.poll() is None:
            kill_group(process)
            killed += 1
        process.communicate()
    assert killed > 0

    last = start(tmp_path)
    _, said = last.communicate(timeout=60)

    assert last.returncode == 0, said.decode()
    home = tmp_path / "w" / "kit"
    git = ["git", "-c", "safe.directory=*", "-C", str(home)]
    log = subprocess.check_output([*git, "log", "--format=%s", "--reverse", "main"], text=True)
    assert log.splitlines() == [
        "Set up the repository",
        *(f"Do T{number}" for number in range(1, 5)),
        "Tell",
    ]
    assert subprocess.check_output([*git, "status", "--porcelain"], text=True) == ""
    assert [each.name for each in (tmp_path / "w").iterdir()] == ["kit"]
