"""A program without the token that opens 2,000 connections: the host serves its owner as before."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.daemons import connect
from atos_protocol.settings import Settings
from doubles.host_process import HostProcess, host_process

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.timeout(180)

FLOOD = Path(__file__).parents[2] / "doubles" / "connection_flood.py"
GOAL = "Write a Python function to add two numbers"
DESCRIPTORS = 1024
NOBODY = 65534


def interpreter() -> str:
    """Return a Python that any user may run."""
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip("there is no Python outside of somebody's home")
    return found


def somebody_else() -> dict[str, Any]:
    """Return how a process is started as another user, who is in none of our groups."""
    if os.geteuid():
        pytest.skip("only root can start a process as another user")
    return {"user": NOBODY, "group": NOBODY, "extra_groups": ()}


@contextmanager
def flood(port: int, connections: int, **identity: Any) -> Generator[None]:
    """Hold this many connections in each of two processes, silent, half-open, slow and malformed."""
    # its source as an argument, and the system's own interpreter: another user can't read what is ours
    command = [interpreter(), "-I", "-c", FLOOD.read_text(), str(port), str(connections)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd="/",
                    env={"PATH": os.defpath},
                    **identity,
                )
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


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the command `status`."""

    returncode: int
    seconds: float
    text: str


@contextmanager
def asking_for_status() -> Generator[list[Answer]]:
    """Ask for the status again and again, as a person does who wonders; yields the answers."""
    answers, over = list[Answer](), threading.Event()

    def ask() -> None:
        while True:
            began = time.monotonic()
            ran = client("status")
            answers.append(
                Answer(ran.returncode, time.monotonic() - began, ran.stdout + ran.stderr)
            )
            if over.wait(0.5):
                return

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        over.set()
        asking.join()


def log_bytes(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.logs.iterdir() if path.is_file())


@pytest.fixture
def host() -> Generator[HostProcess]:
    with host_process() as host:
        assert client("up").returncode == 0
        yield host


@pytest.mark.parametrize("flooded_by", [dict, somebody_else])
def test_under_a_flood_of_connections_a_goal_succeeds_and_the_host_answers(
    host: HostProcess, flooded_by: Callable[[], dict[str, Any]]
) -> None:
    identity = flooded_by()
    pid, port = host.ensure(), int(host.status()["http"]["url"].rpartition(":")[2])
    before = log_bytes(host.settings)
    with flood(port, 1000, **identity):
        with asking_for_status() as answers:
            built = client("build", GOAL)
        assert host.status()["pid"] == pid
        held = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    assert built.returncode == 0, built.stderr
    assert answers
    assert [each.text for each in answers if each.returncode] == []
    longest = max(each.seconds for each in answers)
    told = "%d x status, at most %.2f s; log + %d bytes"
    logger.info(told, len(answers), longest, log_bytes(host.settings) - before)
    assert 300 < held < DESCRIPTORS - 256
    assert log_bytes(host.settings) - before < 1 << 20


def test_another_user_reaches_no_socket_of_the_daemons(host: HostProcess) -> None:
    identity = somebody_else()
    host.ensure()
    program = (
        "import socket, sys\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        socket.socket(socket.AF_UNIX).connect(path)\n"
        "    except OSError as error:\n"
        "        print(type(error).__name__)\n"
    )
    sockets = [str(host.settings.servers_socket), str(host.settings.scheduler_socket)]
    ran = subprocess.run(
        [interpreter(), "-I", "-c", program, *sockets],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PATH": os.defpath},
        **identity,
    )
    assert ran.stdout.split() == ["PermissionError"] * 2


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
