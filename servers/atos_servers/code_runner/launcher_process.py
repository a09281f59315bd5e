"""How a launcher gets to run: its channels to the host, and the process, started afresh or forked by a zygote."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from atos_protocol.shortage import shortage_of
from atos_servers.code_runner.interpreter import broken_environment

LAUNCHER = Path(__file__).parent / "sandbox" / "launch.py"


class LauncherProcess(Protocol):
    """A process that supervises one run."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it has not come.
        """
        ...

    def kill(self) -> None:
        """End it."""
        ...


class ForkedLauncher:
    """A launcher that a zygote forked: not a child of ours, but held by a handle that no other process can get.

    Args:
        pid: its process id.
        handle: from `pidfd_open`; -1 where it had ended before one could be made.
    """

    def __init__(self, pid: int, handle: int) -> None:
        self.pid, self._handle = pid, handle

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code is the zygote's to know, so it is always 0.

        Raises:
            subprocess.TimeoutExpired: it has not come.
        """
        if self._handle < 0:
            return 0
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        if not poller.poll(None if timeout is None else timeout * 1000 + 1):
            raise subprocess.TimeoutExpired(str(LAUNCHER), timeout or 0.0)
        os.close(self._handle)
        self._handle = -1
        return 0

    def kill(self) -> None:
        """End it."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)


@dataclass(slots=True)
class Channels:
    """The host's ends and the launcher's ends of what runs between them."""

    control: socket.socket
    report: socket.socket
    stdout: int
    stderr: int
    theirs: list[int] = field(default_factory=list[int])
    """Standard input, output and error, control and report; they go to one launcher and are closed here."""

    def close(self) -> None:
        """Close the host's ends: the launcher takes that as the end of the run."""
        self.control.close()
        self.report.close()
        for descriptor in (self.stdout, self.stderr):
            os.close(descriptor)

    def hand_over(self) -> None:
        """Close the launcher's ends here."""
        while self.theirs:
            os.close(self.theirs.pop())


def opened_channels(stdin: Path | None) -> Channels:
    """Open all channels of one launcher; its standard input is a file, or empty."""
    # What a candidate prints goes where its standard input comes from, so that must take it.
    mode = os.O_RDONLY if stdin else os.O_RDWR
    with contextlib.ExitStack() as undo:  # where descriptors are short, none is left open
        source = os.open(stdin or os.devnull, mode | os.O_CLOEXEC)
        undo.callback(os.close, source)
        control, theirs_control = map(undo.enter_context, socket.socketpair())
        report, theirs_report = map(undo.enter_context, socket.socketpair())
        stdout, out = _pipe(undo)
        stderr, err = _pipe(undo)
        undo.pop_all()
    for descriptor in (stdout, stderr):
        os.set_blocking(descriptor, False)
    theirs = [source, out, err, theirs_control.detach(), theirs_report.detach()]
    return Channels(control, report, stdout, stderr, theirs)


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    return ends


def started_afresh(
    executable: str, environment: dict[str, str], channels: Channels
) -> LauncherProcess:
    """Start an interpreter that runs the launcher.

    Raises:
        BusyError: the machine has no room for another process now.
        SandboxUnavailableError: the interpreter can't be started.
    """
    stdin, stdout, stderr, *others = channels.theirs
    command = [executable, "-I", "-S", str(LAUNCHER), *map(str, others)]
    try:
        return subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, pass_fds=others,
            start_new_session=True, cwd="/", bufsize=0,
        )  # fmt: skip
    except OSError as error:
        why = f"it can't be started: {error.strerror}"
        raise shortage_of(error) or broken_environment(executable, why) from error
