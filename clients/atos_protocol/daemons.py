"""Find a daemon, or start it: the one way in which any ATOS process comes to a running daemon.

    connect --ok--> done
       |refused
    take the role's start lock -> connect again (somebody else may have started it) --ok--> done
       |refused
    spawn it detached, holding the write end of a pipe -> wait until it says "ready" or ends --ready--> done
       |ended
    connect once more --ok--> done: the start lock's last holder died, and the daemon that it had spawned came first

A daemon proves that it is alone by a lifetime `flock` (`Singleton`), which the kernel drops when it
dies; pid files are never trusted, and who answers a socket is asked of the kernel (`peer_pid`).

Standard library only: every layer uses it, the stdio shim and `atos-client` included.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, Literal

from atos_protocol.errors import BadConfigError, ConflictError, UnreachableError
from atos_protocol.settings import Settings

Role = Literal["scheduler", "servers"]

MODULES: dict[Role, str] = {
    "scheduler": "atos_scheduler.daemon",
    "servers": "atos_servers.host.main",
}
LOCK_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
READY_FD = "ATOS_READY_FD"
CONNECT_SECONDS = 2.0
START_SECONDS = 60.0
PREDECESSOR_SECONDS = 15.0
"""How long a daemon may take to end after it has stopped answering."""

LOG_BYTES = 8 << 20
"""Size at which a log is put aside: when its process starts anew, and while it runs (`daemon_log`)."""

TAIL_BYTES = 2_000
"""How much of a daemon's log an error about its start looks at."""


def socket_path(role: Role, settings: Settings) -> Path:
    """Return the Unix socket on which the daemon of this role listens."""
    return settings.scheduler_socket if role == "scheduler" else settings.servers_socket


def connect(role: Role, settings: Settings, seconds: float = CONNECT_SECONDS) -> socket.socket:
    """Open a connection to a daemon that is already there.

    Raises:
        UnreachableError: nobody listens (a stale socket file counts as nobody).
        BadConfigError: another user listens there.
    """
    path = socket_path(role, settings)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        connection.connect(os.fspath(path))
    except OSError as error:
        connection.close()
        message = f"the {role} daemon does not answer at {path}: {error.strerror or error}"
        raise UnreachableError(message, next_step="Start it with `atos-client up`.") from error
    try:
        check_server(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def is_up(role: Role, settings: Settings) -> bool:
    """Tell whether the daemon of this role accepts connections."""
    try:
        connect(role, settings).close()
    except UnreachableError:
        return False
    return True


def peer_pid(connection: socket.socket) -> int:
    """Return the process that listens at the other end of a Unix socket, as the kernel knows it."""
    size = struct.calcsize("3i")
    pid, _uid, _gid = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return pid


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):  # not on macOS: there the socket's mode has to do
        return None
    size = struct.calcsize("3i")
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", packed)[1]


def is_trusted(uid: int | None) -> bool:
    """Tell whether ATOS speaks to this user over a Unix socket: ourselves, and root.

    Root could become us or read our memory, so refusing it would protect nothing.
    """
    return uid in (None, 0, os.geteuid())


def check_server(connection: socket.socket, path: Path) -> None:
    """Refuse to speak to a daemon of another user.

    Raises:
        BadConfigError: another user, who is not root, listens at the other end.
    """
    if not is_trusted(uid := peer_uid(connection)):
        message = f"user {uid} listens at {path}, not you ({os.geteuid()})"
        raise BadConfigError(message, next_step="See who may write there, or set ATOS_HOME.")


def ensure(role: Role, settings: Settings, seconds: float = START_SECONDS) -> None:
    """Return when the daemon of this role answers, having started it if need be.

    Raises:
        UnreachableError: it could not be started; the message quotes the end of its log.
        BadConfigError: the home can't be used.
    """
    if is_up(role, settings):
        return
    settings.prepare()
    with _start_lock(role, settings, seconds):
        if is_up(role, settings):
            return
        try:
            _spawn(role, settings, seconds)
        except UnreachableError:
            if not is_up(role, settings):
                raise


@contextlib.contextmanager
def _start_lock(role: Role, settings: Settings, seconds: float) -> Generator[None]:
    """Hold the right to start this role; whoever starts it dies without leaving the lock behind."""
    handle = os.open(settings.run / f"{role}.start", LOCK_FLAGS, 0o600)
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"another process has been starting the {role} for {seconds:.0f} s"
                    raise UnreachableError(message, next_step=f"See {settings.logs}.") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _spawn(role: Role, settings: Settings, seconds: float) -> None:
    """Start the daemon in a session of its own and wait for its one-line report."""
    readable, writable = os.pipe()
    log = settings.logs / f"{role}.log"
    environ = {**os.environ, READY_FD: str(writable)}
    if "ATOS_HOME" in environ:  # it may be relative, and the daemon starts in /
        environ["ATOS_HOME"] = os.fspath(settings.home)
    with open_log(log) as sink:
        start = sink.tell()
        import subprocess  # whoever only asks for a status starts nothing

        child = subprocess.Popen(
            [sys.executable, "-m", MODULES[role]],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd="/",
            env=environ,
            pass_fds=(writable,),
            start_new_session=True,
        )
    os.close(writable)
    try:
        if _wait_ready(readable, seconds):
            child.returncode = 0  # a daemon is nobody's child to wait for: silence the warning
            return
    finally:
        os.close(readable)
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGKILL)
    child.wait()
    message = f"the {role} daemon did not start: {_tail(log, start)}"
    raise UnreachableError(message, next_step=f"Its log is {log}.")


def open_log(path: Path) -> BinaryIO:
    """Open a process's log for appending; one that has grown large is kept beside it as `.1`."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def _wait_ready(readable: int, seconds: float) -> bool:
    """Wait for the readiness byte; False when the daemon ended or let the time pass."""
    import select

    ready, _, _ = select.select([readable], [], [], seconds)
    return bool(ready) and os.read(readable, 1) == b"+"


def _tail(log: Path, start: int) -> str:
    """Return the last lines that the daemon wrote since `start`."""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return " | ".join(lines[-3:]) or "it wrote nothing"


def announce_ready() -> None:
    """Tell whoever started this daemon that it answers; without a starter this does nothing."""
    fd = os.environ.pop(READY_FD, "")
    if fd:
        with contextlib.suppress(OSError):
            os.write(int(fd), b"+")
            os.close(int(fd))


class Singleton:
    """The lifetime lock of a role: held as long as the process lives, dropped by the kernel.

    Raises:
        ConflictError: another live process holds it.
    """

    def __init__(self, role: str, settings: Settings) -> None:
        self._path = settings.run / f"{role}.lock"
        self._handle = os.open(self._path, LOCK_FLAGS, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            message = f"another {role} daemon already runs for {settings.home}"
            step = "Use that one, or stop it with `atos-client down`."
            raise ConflictError(message, next_step=step) from None

    def release(self) -> None:
        """Give the role up; the lock file stays, because removing it would race with the next."""
        os.close(self._handle)


def take_role(role: str, settings: Settings, seconds: float = PREDECESSOR_SECONDS) -> Singleton:
    """Take the role's lifetime lock, waiting for a predecessor that is ending.

    One that still answers on its socket is not; a worker has no socket, so it is waited for in any
    case.

    Raises:
        ConflictError: another daemon serves this home.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Singleton(role, settings)
        except ConflictError:
            answers = role in MODULES and is_up(role, settings)
            if answers or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def stop(role: Role, settings: Settings, seconds: float = 10.0) -> bool:
    """End the daemon of this role; True if one ran.

    Raises:
        UnreachableError: it did not end in time.
    """
    try:
        connection = connect(role, settings)
    except UnreachableError:
        return False
    with connection:
        pid = peer_pid(connection)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            message = f"the {role} daemon (pid {pid}) did not end within {seconds:.0f} s"
            raise UnreachableError(message, next_step=f"Look at it, or run `kill -9 {pid}`.")
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    """Tell whether a process exists; a zombie does not, once none of its threads holds anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        threads = len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self/stat").exists()
    # The first thread of a killed process turns into a zombie before the others have closed their
    # sockets and dropped their locks.
    return stat.rpartition(")")[2].split()[0] != "Z" or threads > 1
