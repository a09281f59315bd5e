"""A program without the token that opens 2,000 connections: the host serves its owner as before."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from atos_protocol.daemons import connect
from atos_protocol.settings import Settings
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(180)

FLOOD = Path(__file__).parents[2] / "doubles" / "connection_flood.py"
GOAL = "Write a Python function to add two numbers"
DESCRIPTORS = 1024


@contextmanager
def flood(port: int, connections: int) -> Generator[None]:
    """Hold this many connections in each of two processes, silent, half-open, slow and malformed."""
    command = [sys.executable, str(FLOOD), str(port), str(connections)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(2)
        ]
        for program in started:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
        yield


def client(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with no more descriptors than is usual."""
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS},) * 2);"
        "from atos.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)


def log_bytes(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.logs.iterdir() if path.is_file())


@pytest.fixture
def host() -> Generator[HostProcess]:
    with host_process() as host:
        assert client("up").returncode == 0
        yield host


def test_under_a_flood_of_connections_a_goal_succeeds_and_the_host_answers(
    host: HostProcess,
) -> None:
    pid, port = host.ensure(), int(host.status()["http"]["url"].rpartition(":")[2])
    before = log_bytes(host.settings)
    with flood(port, 1000):
        built = client("build", GOAL)
        assert host.status()["pid"] == pid
        held = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    assert built.returncode == 0, built.stderr
    assert 300 < held < DESCRIPTORS - 256
    assert log_bytes(host.settings) - before < 1 << 20


def test_hundreds_of_connections_of_the_owner_are_refused_in_words_and_end_nothing(
    host: HostProcess,
) -> None:
    pid = host.status()["pid"]
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(connect("servers", host.settings, 10))
        late = stack.enter_context(connect("servers", host.settings, 10))
        told = late.recv(1 << 16)
    assert b'"code": "busy"' in told
    deadline = time.monotonic() + 10
    while True:  # until the host has noticed that the others are gone
        try:
            assert host.status()["pid"] == pid
        except (AssertionError, KeyError, ValueError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
