"""Hostile scripts in the sandbox, on each level that this machine has: real attempts, real effects."""

import os
import secrets
import socket
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner, ScriptRun
from doubles.marked_processes import gone
from doubles.runners import runner_at

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["bwrap", "landlock", "bwrap-warm", "landlock-warm"])
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    """Attacks are tried against forked launchers in every run of the tests, unlike the rest (conftest.py)."""
    async with runner_at(request.param) as made:
        yield made


TRY = """\
def attempt(what):
    try:
        return f"done {what()}"
    except (OSError, ValueError) as error:
        return "refused"
"""


async def attack(runner: Runner, folder: Path, code: str, *, seconds: float = 10.0) -> ScriptRun:
    script = Script(code=TRY + textwrap.dedent(code))
    return await runner.script(folder, [folder], script, seconds=seconds)


def texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def said(run: ScriptRun) -> str:
    assert run.cause == "", run.cause
    assert run.outcome.code == 0, run.outcome.stderr.text
    return run.outcome.stdout.text.strip()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a key in it, next to nothing that the sandbox was given."""
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "id_ed25519").write_text("PRIVATE KEY")
    (folder / "id_ed25519").chmod(0o644)
    return folder


async def test_nothing_outside_can_be_read(
    runner: Runner, workspace: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "link").symlink_to(outside / "id_ed25519")
    monkeypatch.setenv("ATOS_TEST_SECRET", "hunter2")
    rc = str(Path.home() / ".bashrc")
    code = f"""
    import os
    for path in ({str(outside / "id_ed25519")!r}, "link", "/etc/shadow", {rc!r}):
        print(attempt(lambda: open(path).read()))
    print(attempt(lambda: os.listdir({str(outside)!r})))
    print(attempt(lambda: os.listdir({str(workspace)!r})))
    """
    processes = """
    import os
    for pid in (1, os.getppid()):
        print(attempt(lambda: open(f"/proc/{pid}/environ").read()))
    """
    assert said(await attack(runner, workspace, code)).splitlines() == ["refused"] * 6
    assert "hunter2" not in said(await attack(runner, workspace, processes))


async def test_nothing_outside_can_be_changed(
    runner: Runner, workspace: Path, outside: Path
) -> None:
    key, new = outside / "id_ed25519", outside / "new"
    code = f"""
    import os
    key, new = {str(key)!r}, {str(new)!r}
    attempts = [
        lambda: open(new, "w"), lambda: open(key, "a"), lambda: os.remove(key),
        lambda: os.rename(key, "stolen"), lambda: os.link(key, "stolen"),
        lambda: os.mkdir(new), lambda: os.symlink(key, new), lambda: os.truncate(key, 0),
        lambda: os.open(key, os.O_RDONLY | os.O_TRUNC),
        lambda: open({str(workspace / "planted.py")!r}, "w"),
    ]
    print([attempt(each) for each in attempts].count("refused"))
    attempt(lambda: os.chmod(key, 0o777))
    attempt(lambda: os.utime(key, (0, 0)))
    """
    before = (key.stat().st_mode, key.stat().st_mtime)
    assert said(await attack(runner, workspace, code)) == "10"
    assert (key.stat().st_mode, key.stat().st_mtime) == before
    assert texts_in(outside) == {"id_ed25519": "PRIVATE KEY"}
    assert texts_in(workspace) == {}


async def test_the_environment_holds_no_secret(
    runner: Runner, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOS_TEST_SECRET", "hunter2")
    out = said(await attack(runner, workspace, "import os; print(sorted(os.environ), os.environ)"))
    assert "hunter2" not in out
    assert "ATOS" not in out


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """A TCP and a Unix server of the machine that note who reached them."""
    met: list[str] = []
    path = f"/tmp/atos-{secrets.token_hex(4)}.sock"
    doors = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    doors[1].bind(path)
    doors[1].listen()
    Path(path).chmod(0o777)

    def serve(door: socket.socket, name: str) -> None:
        while True:
            try:
                door.accept()[0].close()
            except OSError:
                return
            met.append(name)

    for door, name in zip(doors, ("tcp", "unix"), strict=True):
        threading.Thread(target=serve, args=(door, name), daemon=True).start()
    yield doors[0].getsockname()[1], path, met
    for door in doors:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
    Path(path).unlink()


async def test_nobody_can_be_reached(
    runner: Runner, workspace: Path, listening: tuple[int, str, list[str]]
) -> None:
    port, path, met = listening
    code = f"""
    import socket
    def tcp():
        with socket.socket() as door:
            door.connect(("127.0.0.1", {port}))
    def unix():
        with socket.socket(socket.AF_UNIX) as door:
            door.connect({path!r})
    def datagram():
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with a, b:
            a.sendto(b"x", {path!r})
    def udp():
        with socket.socket(type=socket.SOCK_DGRAM) as door:
            return door.sendto(b"x", ("192.0.2.1", 9))
    print([attempt(each) for each in (tcp, unix, datagram, udp)])
    """
    assert said(await attack(runner, workspace, code)) == str(["refused"] * 4)
    assert met == []


async def test_a_pair_of_sockets_still_works_for_event_loops(
    runner: Runner, workspace: Path
) -> None:
    code = "import asyncio\nasync def f(): return 5\nprint(asyncio.run(f()))"
    assert said(await attack(runner, workspace, code)) == "5"


async def test_the_kernels_dangerous_doors_are_shut(runner: Runner, workspace: Path) -> None:
    code = """
    import ctypes, os, resource
    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "unshare": lambda: libc.unshare(0x10000000),
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "ptrace": lambda: libc.ptrace(16, os.getppid(), 0, 0),
        "io_uring": lambda: libc.syscall(425, 1, 0),
        "memfd": lambda: libc.memfd_create(b"x", 0),
        "shm": lambda: libc.shmget(0, 1 << 20, 0o600),
    }
    print(sorted(name for name, call in calls.items() if call() >= 0))
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU):
        try:
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print("raised")
        except (ValueError, OSError):
            pass
    """
    assert said(await attack(runner, workspace, code)) == "[]"


async def test_no_other_process_can_be_hurt(runner: Runner, workspace: Path) -> None:
    code = f"""
    import os, signal
    outside = {os.getpid()}
    print(attempt(lambda: os.kill(outside, signal.SIGTERM)))
    attempt(lambda: os.kill(os.getppid(), signal.SIGKILL))
    attempt(lambda: os.kill(-1, signal.SIGKILL))
    print("alive")
    """
    run = await attack(runner, workspace, code)
    assert said(run).splitlines() == ["refused", "alive"]


async def test_a_fork_bomb_ends_and_leaves_nothing(runner: Runner, workspace: Path) -> None:
    marker = f"bomb{secrets.token_hex(6)}"
    code = f"""
    import os, subprocess, sys, time
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", {marker!r}])
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    """
    run = await attack(runner, workspace, code, seconds=2.0)
    assert run.cause in {"process_limit", "timeout", "memory_limit"}
    assert await gone(marker)


async def test_many_small_processes_are_counted_together(runner: Runner, workspace: Path) -> None:
    code = """
    import os, time
    for _ in range(40):
        if os.fork() == 0:
            held = b"x" * (40 << 20)
            time.sleep(30)
    time.sleep(30)
    """
    run = await attack(runner, workspace, code)
    assert run.cause == "memory_limit"


async def test_one_process_gets_no_more_than_its_share(runner: Runner, workspace: Path) -> None:
    run = await attack(runner, workspace, "held = bytearray(2 << 30)")
    assert (run.cause, run.outcome.code) == ("", 1)
    assert "MemoryError" in run.outcome.stderr.text


async def test_endless_output_is_cut_and_ended(runner: Runner, workspace: Path) -> None:
    run = await attack(runner, workspace, "while True: print('x' * 1000)")
    assert run.cause == "output_limit"
    assert len(run.outcome.stdout.data) == run.outcome.stdout.most


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ],
)
async def test_what_never_ends_is_ended(code: str, runner: Runner, workspace: Path) -> None:
    began = time.monotonic()
    run = await attack(runner, workspace, code, seconds=0.7)
    assert run.cause == "timeout"
    assert time.monotonic() - began < 5


async def test_a_daemon_that_holds_the_output_open_does_not_survive(
    runner: Runner, workspace: Path
) -> None:
    marker = f"daemon{secrets.token_hex(6)}"
    code = f"""
    import os, subprocess, sys
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(60)", {marker!r}])
        os._exit(0)
    os.wait()
    print("parent ends")
    """
    began = time.monotonic()
    run = await attack(runner, workspace, code)
    assert said(run) == "parent ends"
    assert time.monotonic() - began < 5
    assert await gone(marker)


async def test_the_disk_can_not_be_filled(runner: Runner, workspace: Path) -> None:
    code = """
    import os, time
    block = b"x" * (1 << 20)
    for number in range(64):
        with open(os.path.join(os.environ["TMPDIR"], str(number)), "wb") as file:
            for _ in range(32):
                file.write(block)
        time.sleep(0.02)
    print("filled")
    """
    run = await attack(runner, workspace, code, seconds=20.0)
    assert run.cause == "disk_limit"


FILL = """
import mmap, os, socket, threading, time
block, tmp = b"x" * (1 << 20), os.environ["TMPDIR"]
def filled(name="file", folder=None):
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600, dir_fd=folder)
    for _ in range(48):
        os.write(descriptor, block)
    return descriptor
os.chdir(tmp)
"""
HOLDING = {
    "deleted but open": """
held = []
for _ in range(12):
    held.append(filled())
    os.unlink("file")
    time.sleep(0.05)
time.sleep(5)
""",
    "deleted but mapped": """
held = []
for _ in range(12):
    descriptor = filled()
    held.append(mmap.mmap(descriptor, 4096))
    os.close(descriptor)
    os.unlink("file")
    time.sleep(0.05)
time.sleep(5)
""",
    "sent and not received": """
ours, theirs = socket.socketpair()
for _ in range(24):
    descriptor = filled()
    socket.send_fds(ours, [b"x"], [descriptor])
    os.close(descriptor)
    os.unlink("file")
    time.sleep(0.02)
time.sleep(5)
""",
    "below a path that is too long": """
current = os.open(".", os.O_RDONLY)
for _ in range(30):
    os.mkdir("d" * 200, dir_fd=current)
    current = os.open("d" * 200, os.O_RDONLY, dir_fd=current)
for number in range(12):
    os.close(filled(str(number), current))
    time.sleep(0.05)
time.sleep(5)
""",
    "in a folder without permissions": """
os.mkdir("shut")
folder = os.open("shut", os.O_RDONLY)
for number in range(12):
    os.close(filled(str(number), folder))
os.chmod("shut", 0)
time.sleep(5)
""",
    "below folders that are moved about": """
current = os.open(".", os.O_RDONLY)
for number in range(80):
    os.mkdir("d", dir_fd=current)
    current, above = os.open("d", os.O_RDONLY, dir_fd=current), current
for number in range(12):
    os.close(filled(str(number), current))
    time.sleep(0.05)
end = time.monotonic() + 5
while time.monotonic() < end:
    os.rename("d", "e", src_dir_fd=above)
    os.rename("e", "d", dst_dir_fd=above)
""",
}


@pytest.mark.parametrize("how", HOLDING)
async def test_no_bytes_on_the_disk_are_hidden_from_the_limit(
    how: str, runner: Runner, workspace: Path
) -> None:
    run = await attack(runner, workspace, FILL + HOLDING[how], seconds=25.0)
    assert run.cause == "disk_limit", run.outcome.stderr.text


async def test_what_sockets_hold_counts_as_memory(runner: Runner, workspace: Path) -> None:
    code = """
    import os, socket, time
    def hold():
        held = [socket.socketpair() for _ in range(100)]
        for end in (end for pair in held for end in pair):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            end.setblocking(False)
            try:
                while True:
                    end.send(b"x" * 65536)
            except BlockingIOError:
                pass
        time.sleep(8)
    for _ in range(20):
        if os.fork() == 0:
            hold()
            os._exit(0)
    time.sleep(8)
    """
    run = await attack(runner, workspace, code)
    assert run.cause == "memory_limit", run.outcome.stderr.text


async def test_what_nobody_accepts_from_a_socket_counts_as_memory(
    runner: Runner, workspace: Path
) -> None:
    code = """
    import socket, time
    try:
        door = socket.create_server(("127.0.0.1", 0), backlog=4096)
        path = socket.socket(socket.AF_UNIX)
        path.bind(os.environ["TMPDIR"] + "/s")
        path.listen(4096)
    except OSError:
        print("refused")
        raise SystemExit
    for address, family in ((door.getsockname(), socket.AF_INET), (path.getsockname(), socket.AF_UNIX)):
        for _ in range(2000):
            visitor = socket.socket(family)
            visitor.setblocking(False)
            try:
                visitor.connect(address)
                while True:
                    visitor.send(b"x" * 65536)
            except (BlockingIOError, ConnectionError):
                pass
            visitor.close()
    time.sleep(5)
    """
    run = await attack(runner, workspace, "import os\n" + textwrap.dedent(code), seconds=25.0)
    assert run.cause == "memory_limit" or said(run) == "refused"


async def test_threads_are_bounded_whoever_runs_them(runner: Runner, workspace: Path) -> None:
    code = """
    import threading, time
    threading.stack_size(65536)
    made = 0
    try:
        for made in range(4000):
            threading.Thread(target=time.sleep, args=(8,), daemon=True).start()
    except RuntimeError:
        print("few" if made < 300 else made)
    """
    run = await attack(runner, workspace, code)
    assert run.cause == "process_limit" or said(run) == "few"


async def test_a_socket_outside_the_network_namespace_is_refused(
    runner: Runner, workspace: Path
) -> None:
    code = """
    import socket
    for family in (socket.AF_VSOCK, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_ALG, 45):
        print(attempt(lambda: socket.socket(family, socket.SOCK_STREAM).close()))
    """
    assert said(await attack(runner, workspace, code)).splitlines() == ["refused"] * 5


async def test_one_file_can_not_grow_without_end(runner: Runner, workspace: Path) -> None:
    code = """
    with open("big", "wb") as file:
        for _ in range(200):
            file.write(b"x" * (1 << 20))
    """
    run = await attack(runner, workspace, code)
    assert run.outcome.code != 0
    assert "File too large" in run.outcome.stderr.text


async def test_the_copy_may_be_written_and_the_original_stays(
    runner: Runner, workspace: Path
) -> None:
    (workspace / "data.txt").write_text("old")
    code = """
    open("data.txt", "w").write("new"); open("more.txt", "w").write("x")
    import shutil; shutil.copy("data.txt", "copy.txt"); print(open("copy.txt").read())
    """
    assert said(await attack(runner, workspace, code)) == "new"
    assert texts_in(workspace) == {"data.txt": "old"}


async def test_a_subprocess_of_the_same_interpreter_works(runner: Runner, workspace: Path) -> None:
    code = """
    import subprocess, sys
    print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True))
    """
    assert "stdout='42\\n'" in said(await attack(runner, workspace, code))
