"""Over a Unix socket ATOS speaks to its own user and to root, whatever the socket's mode."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from atos.scheduler_client import SchedulerClient
from atos.transport import SocketTransport
from atos_daemon.runtime import listen_unix
from atos_daemon.unix_server import UnixServer
from atos_protocol.daemons import connect, is_trusted, peer_uid
from atos_protocol.errors import BadConfigError
from atos_protocol.settings import Settings

OTHER = 65_432
as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make a process of another user"
)
CALL = """
import os, socket, sys
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
caller = socket.socket(socket.AF_UNIX)
caller.settimeout(10)
caller.connect(sys.argv[1])
try:
    caller.sendall(b"hello")
    print(caller.recv(100))
except OSError:
    print(b"")
"""
LISTEN = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
while True:
    caller, _ = listener.accept()
    print(caller.recv(100), flush=True)
    caller.close()
"""


def test_our_own_user_and_root_are_trusted_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [uid for uid in (None, 0, 1, 999, 1000, 1001, 65_534) if is_trusted(uid)] == [
        None,
        0,
        1000,
    ]


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder in which every user may make and open sockets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


async def echo(stream: SocketStream) -> None:
    async for data in stream:
        await stream.send(data)


@as_root
async def test_a_caller_of_another_user_gets_no_answer_though_it_may_open_the_socket(
    reachable: Path,
) -> None:
    path = reachable / "s"
    server = UnixServer(listen_unix(path), echo, capacity=8, refusal=b"full")
    path.chmod(0o666)

    async def told(uid: int) -> bytes:
        command = [sys.executable, "-c", CALL, str(path), str(uid)]
        return (await anyio.run_process(command)).stdout.strip()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run)
        assert (await told(OTHER), await told(0)) == (b"b''", b"b'hello'")
        tasks.cancel_scope.cancel()


@contextmanager
def listening_as_another_user(path: Path) -> Generator[list[str]]:
    """Listen as another user; the list holds what was heard, once the block is over."""
    command = [sys.executable, "-c", LISTEN, str(path), str(OTHER)]
    heard: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield heard
        finally:
            process.kill()
        heard += process.stdout.read().splitlines()


@as_root
async def test_no_client_says_a_word_to_a_daemon_of_another_user(reachable: Path) -> None:
    settings = Settings(home=reachable, workspaces=reachable)
    settings.run.mkdir()
    settings.run.chmod(0o777)
    with listening_as_another_user(settings.servers_socket) as servers:
        with pytest.raises(BadConfigError, match=f"user {OTHER} listens"):
            connect("servers", settings)
        with pytest.raises(BadConfigError, match=f"user {OTHER} listens"):
            async with SocketTransport(settings.servers_socket, "vram").connect_session():
                pass
    with listening_as_another_user(settings.scheduler_socket) as scheduler:
        async with SchedulerClient(settings, start=False) as client:
            with pytest.raises(BadConfigError, match=f"user {OTHER} listens"):
                await client.status()
    assert set(servers + scheduler) <= {"b''"}, "connections that said nothing"
