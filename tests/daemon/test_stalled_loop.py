"""A process whose loop stands still ends, with its stacks on standard error; one whose loop turns does not."""

import subprocess
import sys

import pytest

PROGRAM = """
import threading, anyio
from atos_daemon.stalled_loop import end_when_stalled

async def main():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end_when_stalled, 1.0)
        await anyio.sleep(3.0)
        print("turned", flush=True)
        BODY
        tasks.cancel_scope.cancel()

anyio.run(main)
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.replace("BODY", body)]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


@pytest.mark.parametrize("body", ["threading.Event().wait()", "while True: pass"])
def test_a_process_whose_loop_stands_still_ends_and_says_where_it_stood(body: str) -> None:
    ended = run(body)

    assert (ended.returncode, ended.stdout) == (1, "turned\n")
    assert "Timeout (0:00:01)!" in ended.stderr
    assert 'File "<string>", line 10 in main' in ended.stderr


def test_a_loop_that_turns_is_left_alone() -> None:
    ended = run("pass")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "turned\n", "")
