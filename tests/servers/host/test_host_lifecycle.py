"""The host's life: started once whoever asks, replaced when it dies, gone without a trace when it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos_protocol.daemons import connect, is_alive, is_up
from atos_protocol.errors import UnreachableError
from doubles.host_process import HostProcess, host_process, wait_gone

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


@pytest.fixture
def home() -> Iterator[HostProcess]:
    """A home for a test that needs its own."""
    with host_process() as host:
        yield host


def descendants(pid: int) -> set[int]:
    """Return every process below one, as the kernel knows them."""
    below: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            below |= {int(child)} | descendants(int(child))
    return below


def test_whoever_asks_gets_the_same_host(host: HostProcess) -> None:
    assert host.ensure() == host.ensure() == host.status()["pid"]


def test_a_second_host_is_refused_in_one_line(host: HostProcess) -> None:
    host.ensure()
    done = subprocess.run(
        [sys.executable, "-m", "atos_servers.host.main"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"conflict: another servers daemon already runs for {host.settings.home} "
        "Use that one, or stop it with `atos-client down`.\n"
    )


def test_a_worker_that_is_killed_is_replaced(host: HostProcess) -> None:
    host.ensure()
    before = host.until(lambda status: status["worker"]["pid"])["worker"]
    os.kill(before["pid"], signal.SIGKILL)
    after = host.until(lambda status: status["worker"]["restarts"] > before["restarts"])["worker"]
    assert after["pid"] != before["pid"]


def test_a_host_that_is_killed_takes_its_worker_along_and_the_next_one_starts(
    host: HostProcess,
) -> None:
    first = host.ensure()
    worker = host.until(lambda status: status["worker"]["pid"])["worker"]["pid"]
    os.kill(first, signal.SIGKILL)
    wait_gone(first)
    assert host.settings.servers_socket.exists()  # stale: nobody answers it
    assert not is_up("servers", host.settings)
    assert host.ensure() != first
    wait_gone(worker)


def test_a_signal_ends_the_host_and_everything_below_it(host: HostProcess) -> None:
    pid = host.ensure()
    host.until(lambda status: status["worker"]["state"] == "up", seconds=40)
    with connect("servers", host.settings) as connection:
        connection.sendall(b'{"atos":1,"server":"vram","client":"python"}\n')
        family = {pid} | descendants(pid)
        assert len(family) >= 2
        os.kill(pid, signal.SIGTERM)
    for process in family:
        wait_gone(process)


def test_who_asks_while_a_host_is_ending_gets_the_next_one(host: HostProcess) -> None:
    ending = host.ensure()
    host.until(lambda status: status["worker"]["state"] == "up", seconds=40)
    os.kill(ending, signal.SIGTERM)
    while is_up("servers", host.settings):
        time.sleep(0.005)
    assert host.ensure() != ending
    assert not is_alive(ending)


def test_a_taken_port_leaves_the_socket_serving_until_a_word_ends_it(home: HostProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ATOS_HTTP_PORT", str(port))
            pid = home.ensure()
        http = home.status()["http"]
    assert http == {
        "url": None,
        "error": f"port {port} can't be used: Address already in use "
        "Set ATOS_HTTP_PORT to a free port and restart; stdio works meanwhile.",
        "bridge": None,
    }
    assert http["error"] in home.log()
    assert home.ask({"op": "shutdown"}) == {"ok": True}
    wait_gone(pid)


def test_a_start_that_fails_says_why(home: HostProcess) -> None:
    home.settings.prepare()
    home.settings.token_file.write_text("x" * 40)
    home.settings.token_file.chmod(0o644)
    with pytest.raises(
        UnreachableError, match=r"did not start: bad_config: the token file .* mode 0600"
    ):
        home.ensure()


def test_a_server_that_can_not_be_built_fails_the_start_and_is_named(home: HostProcess) -> None:
    """None is left out in silence: a host with four servers would be a riddle."""
    broken = home.person / "broken"
    broken.mkdir()
    (broken / "sqlalchemy.py").write_text("raise ImportError('no database today')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(broken))
        with pytest.raises(UnreachableError) as caught:
            home.ensure()
    found = re.search(
        r"the \w+ server can't be built: ImportError: no database today", str(caught.value)
    )
    assert found, caught.value


def test_an_idle_host_ends_and_a_connection_holds_it() -> None:
    with host_process(ATOS_IDLE_SECONDS="3") as host:
        pid = host.ensure()
        with connect("servers", host.settings) as connection:
            connection.sendall(b'{"atos":1,"server":"vram","client":"python"}\n')
            host.until(lambda status: status["uptime_s"] > 4)
            assert is_alive(pid)
        wait_gone(pid)
        assert "idle seconds" in host.log()
