"""One daemon for whoever asks, whatever happened to the last one."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos_protocol import daemons as module
from atos_protocol.daemons import (
    Singleton,
    connect,
    ensure,
    is_alive,
    is_up,
    peer_pid,
    stop,
    take_role,
)
from atos_protocol.errors import ConflictError, UnreachableError
from atos_protocol.settings import Settings, load_settings
from doubles.host_process import wait_gone

TESTS = Path(__file__).parents[1]
ENSURE = """
from atos_protocol import daemons as ensure
from atos_protocol.settings import load_settings
ensure.MODULES["servers"] = "doubles.small_daemon"
ensure.ensure("servers", load_settings())
with ensure.connect("servers", load_settings()) as connection:
    print(ensure.peer_pid(connection))
"""


@pytest.fixture
def settings(atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setitem(module.MODULES, "servers", "doubles.small_daemon")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("SMALL_DAEMON", "good")
    settings = load_settings()
    yield settings
    if is_up("servers", settings):
        stop("servers", settings)


def pid(settings: Settings) -> int:
    with connect("servers", settings) as connection:
        return peer_pid(connection)


def starts(settings: Settings) -> list[int]:
    return [int(line) for line in (settings.home / "starts").read_text().split()]


def test_a_daemon_is_started_detached_and_found_the_next_time(settings: Settings) -> None:
    assert not is_up("servers", settings)
    ensure("servers", settings)
    ensure("servers", settings)
    assert starts(settings) == [pid(settings)]
    assert os.getsid(pid(settings)) != os.getsid(0)


def test_many_who_ask_at_once_get_one_daemon(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_DAEMON", "slow")
    asking = [
        subprocess.Popen([sys.executable, "-c", ENSURE], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = {process.communicate(timeout=15)[0].strip() for process in asking}
    assert answers == {str(pid(settings))}
    assert len(starts(settings)) == 1


def test_a_daemon_whose_starter_was_killed_is_found_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_DAEMON", "slow")
    starter = subprocess.Popen([sys.executable, "-c", ENSURE], stdout=subprocess.PIPE)
    while not _started(settings):
        time.sleep(0.005)
    starter.kill()
    starter.communicate()
    assert not is_up("servers", settings)  # it is still starting, and nobody holds the start lock
    ensure("servers", settings)
    assert starts(settings)[0] == pid(settings)


def test_a_stale_socket_and_a_killed_daemon_are_no_obstacle(settings: Settings) -> None:
    ensure("servers", settings)
    first = pid(settings)
    os.kill(first, signal.SIGKILL)
    wait_gone(first)
    assert settings.servers_socket.exists()
    assert not is_up("servers", settings)
    ensure("servers", settings)
    assert starts(settings) == [first, pid(settings)]


def test_a_socket_file_that_nobody_ever_served_is_stale_too(settings: Settings) -> None:
    settings.prepare()
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(os.fspath(settings.servers_socket))
    ensure("servers", settings)
    assert is_up("servers", settings)


def test_a_daemon_that_ends_at_once_is_quoted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_DAEMON", "broken")
    with pytest.raises(UnreachableError, match=r"did not start: first line \| the disk is full "):
        ensure("servers", settings)
    monkeypatch.setenv("SMALL_DAEMON", "good")
    ensure("servers", settings)  # its start lock was not left behind


def test_a_daemon_that_does_not_get_ready_is_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_DAEMON", "mute")
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="it wrote nothing"):
        ensure("servers", settings, seconds=1)
    assert time.monotonic() - begun < 10
    assert not any(is_alive(started) for started in _started(settings))


def test_a_second_daemon_of_a_role_is_refused(settings: Settings) -> None:
    settings.prepare()
    first = Singleton("servers", settings)
    with pytest.raises(ConflictError, match="another servers daemon already runs"):
        Singleton("servers", settings)
    first.release()
    Singleton("servers", settings).release()


def test_a_successor_waits_for_one_that_no_longer_answers(settings: Settings) -> None:
    settings.prepare()
    ending = Singleton("servers", settings)
    released = threading.Event()

    def end() -> None:
        released.set()
        ending.release()

    threading.Timer(0.2, end).start()
    take_role("servers", settings).release()
    assert released.is_set()


def test_a_successor_of_one_that_answers_is_refused_at_once(settings: Settings) -> None:
    ensure("servers", settings)
    begun = time.monotonic()
    with pytest.raises(ConflictError):
        take_role("servers", settings)
    assert time.monotonic() - begun < 2


def test_stopping_waits_for_the_end_and_tells_whether_one_ran(settings: Settings) -> None:
    ensure("servers", settings)
    running = pid(settings)
    assert stop("servers", settings)
    assert not is_alive(running)
    assert not stop("servers", settings)


def test_a_log_that_has_grown_large_is_put_aside(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.prepare()
    log = settings.logs / "servers.log"
    log.write_bytes(b"x" * 50)
    monkeypatch.setattr(module, "LOG_BYTES", 40)
    ensure("servers", settings)
    assert log.read_bytes() == b""
    assert log.with_name("servers.log.1").read_bytes() == b"x" * 50


def _started(settings: Settings) -> list[int]:
    """Return what was started; a daemon that was killed early may not have written it down."""
    return starts(settings) if (settings.home / "starts").exists() else []
