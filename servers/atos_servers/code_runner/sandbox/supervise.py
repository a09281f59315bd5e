"""Watches over one run from outside the sandbox, and leaves nothing of it behind.

The supervisor is a subreaper: orphans of the run become its children. It waits for one of four
things: its child ends; the wall time is over; something that the kernel does not limit exceeds its
limit (memory of all processes together, their number, bytes on the disk); or the control socket
closes, because the host cancelled or was killed. Then it stops and kills everything below it,
removes the run's folder and ends. The host has no other handle on the tree, so a killed host needs
no clean-up.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from atos_servers.code_runner.sandbox import open_files, processes
from atos_servers.code_runner.sandbox.disk_usage import disk_used
from atos_servers.code_runner.sandbox.job import Cause, Job

STOPPING = (signal.SIGTERM, signal.SIGINT)
CHECK_SECONDS = 0.05
BWRAP_PROCESSES = 2
"""Bubblewrap's own; they are not the code's."""
HELD_CHECKS = 5
"""Folders and open files are measured at every fifth check only, because that takes longer."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. Times are epoch seconds around the sandboxed work itself."""

    code: int
    """Exit code, or minus the signal's number."""
    cause: Cause
    started_at: float
    ended_at: float
    peak: int
    """Most bytes of memory seen."""
    cpu: float
    """Seconds of CPU time of the launcher and of everything below it."""


class StopRequested(BaseException):
    """SIGTERM or SIGINT arrived."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise StopRequested


def raise_priority() -> None:
    """Get scheduled before the code, however many processes it makes; what we fork is normal again.

    Only root may, and only root needs to: the kernel doesn't count root's processes, so a fork
    bomb would otherwise leave the supervisor no time to notice it.
    """
    with contextlib.suppress(OSError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


def normal_priority() -> None:
    """Take back `raise_priority`: how much is left to remove is up to the code that ran."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def handle_signals() -> None:
    """Make SIGTERM and SIGINT end the run cleanly."""
    for number in STOPPING:
        signal.signal(number, _stop)


def _ignore_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def default_signals() -> None:
    """Give a child the signals that a fresh process has."""
    for number in (*STOPPING, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


class LimitWatch:
    """Measures what the kernel does not limit."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._checks = 0
        self._held = open_files.Held(0, 0)
        self._on_disk = 0
        self.peak = 0

    def check(self) -> Cause:
        """Return which limit is exceeded, or nothing."""
        limits = self._job.limits
        most = limits.processes + BWRAP_PROCESSES
        below = processes.descendants(os.getpid(), most)
        if len(below) > most or processes.threads(below) > limits.threads:
            return "process_limit"
        self._checks += 1
        if self._checks % HELD_CHECKS == 0:
            self._look_at_files(below)
        used = self._held.memory + sum(map(processes.resident, below))
        if used > limits.memory:  # resident sizes count shared pages once per process
            used = self._held.memory + processes.proportional_size(below)
        self.peak = max(self.peak, used)
        if used > limits.memory:
            return "memory_limit"
        return "disk_limit" if self._on_disk > limits.disk else ""

    def _look_at_files(self, below: list[int]) -> None:
        limits = self._job.limits
        self._held = open_files.held(below, self._job.scratch, largest=limits.file_size)
        self._on_disk = self._held.disk
        for folder in self._job.writable:
            self._on_disk += disk_used(folder, limits.disk)


def _ended(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _closed(control: socket.socket) -> bool:
    try:
        return control.recv(1, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _poller(child: int, control: socket.socket) -> tuple[select.poll, int | None]:
    poller = select.poll()
    poller.register(control, select.POLLIN)
    descriptor: int | None = None
    with contextlib.suppress(OSError):  # older kernels: only the checks notice the end
        descriptor = os.pidfd_open(child)
        poller.register(descriptor, select.POLLIN)
    return poller, descriptor


def _wait(
    child: int, control: socket.socket, watch: LimitWatch, deadline: float
) -> tuple[int, Cause]:
    poller, _ = _poller(child, control)
    next_check = time.monotonic() + CHECK_SECONDS / 2
    while True:
        now = time.monotonic()
        if (code := _ended(child)) is not None:
            return code, ""
        if now >= deadline:
            return -signal.SIGKILL, "timeout"
        if now >= next_check:
            if cause := watch.check():
                return -signal.SIGKILL, cause
            next_check = now + CHECK_SECONDS
        poller.poll(max(0.0, min(next_check, deadline) - now) * 1000 + 1)
        if _closed(control):
            return -signal.SIGKILL, "cancelled"


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its descendants that were collected."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def supervise(job: Job, control: socket.socket, start: Callable[[], int]) -> End:
    """Start the run, wait for its end, and kill whatever is left of it."""
    watch = LimitWatch(job)
    started = time.time()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # until the child would be cleaned up
    child = start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        code, cause = _wait(child, control, watch, time.monotonic() + job.limits.wall)
    except StopRequested:
        code, cause = -signal.SIGKILL, "cancelled"
    except BaseException:
        processes.end_descendants(own_namespace=job.level == "bwrap")
        raise
    _ignore_signals()
    processes.end_descendants(own_namespace=job.level == "bwrap")
    return End(code, cause, started, time.time(), watch.peak, cpu_seconds())
