r"""One cell of an evaluation: a forked process that runs one assertion or call, and its outcome.

What a cell does to itself ends with it: it may change builtins, exit, crash, loop or leave threads.
Before it reads the assertion it gives up what could reach further: it can start threads but no
process, signal nobody else, and holds no descriptor of the report. Its time is CPU time, because on
a busy machine wall-clock limits call right programs wrong; the wall limit is for what sleeps.

    forked -> confined -> ran -> wrote its outcome -> ended
                 \-> ended by itself, by a crash, by its CPU limit or at its wall limit

Where the isolation level refuses signals to other processes, a cell that switched its timers off is
left behind when its wall limit is over; the supervisor ends it with the run.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from atos_servers.code_runner.sandbox import removal, seccomp
from atos_servers.code_runner.sandbox.job import MIB

CPU_SECONDS = 1
WALL_SECONDS = 3.0
DATA_BYTES = 384 * MIB
"""Private memory of one cell: below what the whole run may use, so that it costs the cell alone."""
FILE_BYTES = 16 * MIB
OUTCOME_BYTES = 4000
LOOK_SECONDS = 0.005
TIMERS = (signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM)
OUT_OF_TIME = frozenset({*TIMERS, signal.SIGKILL})


def limit_time(cpu: float, wall: float) -> None:
    """Have the kernel end this process after so much CPU time, or so long; 0 and 0 lift it."""
    for number in TIMERS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TIMERS)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    signal.setitimer(signal.ITIMER_REAL, wall)


def _lower(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (lowest, lowest))


def wait(child: int, deadline: float) -> int | None:
    """Wait until a child ends, and return its exit code or minus the signal; None at the deadline."""
    poller, descriptor = select.poll(), -1
    with contextlib.suppress(OSError):  # kernels before 5.3: a look every few milliseconds
        descriptor = os.pidfd_open(child)
        poller.register(descriptor, select.POLLIN)
    pause = LOOK_SECONDS if descriptor < 0 else WALL_SECONDS
    try:
        while (left := deadline - time.monotonic()) > 0:
            poller.poll(min(left, pause) * 1000 + 1)
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def end(child: int) -> None:
    """Kill a child and what is in its process group, where that is allowed."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def ended(code: int) -> str:
    """Return what became of a process that left no outcome."""
    if code >= 0:
        return f"error: the process exited with code {code}"
    if -code in OUT_OF_TIME:
        return "timeout"
    return f"error: the process crashed ({signal.Signals(-code).name})"


class Cells:
    """Starts the cells of one process, one after the other, each in the same emptied folder.

    Args:
        scratch: the only writable folder; nothing but the cells' own folder stays in it.
        kept_out: a descriptor that the cells must not have.
        deadline: of all cells, on the monotonic clock.
    """

    def __init__(self, scratch: str, kept_out: int, deadline: float) -> None:
        self._scratch, self._kept_out, self._deadline = scratch, kept_out, deadline
        self._name = os.urandom(4).hex()
        self._folder = f"{scratch}/{self._name}"
        self._filter = seccomp.SingleFilter()
        self._poller = select.poll()

    def enter(self) -> None:
        """Make the cells' folder the current one, the home and the place for temporary files."""
        Path(self._folder).mkdir(exist_ok=True)
        os.chdir(self._folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = self._folder

    def prepare(self) -> None:
        """Set what all cells inherit; what the modules left in the folder is removed."""
        limit_time(0, 0)
        _lower(resource.RLIMIT_DATA, DATA_BYTES)
        _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
        self._tidy()

    def run(self, work: Callable[[], str]) -> str:
        """Run `work` in a cell and return its outcome."""
        reading, writing = os.pipe()
        try:
            child = os.fork()
        except OSError as error:
            os.close(reading)
            os.close(writing)
            return f"error: no process could be started: {error.strerror}"
        if child == 0:
            self._in_child(work, writing)
        os.close(writing)
        data, code = self._result(child, reading)
        os.close(reading)
        self._tidy()
        if code is None:
            return "timeout"
        return data.decode(errors="replace") if code == 0 and data else ended(code)

    def _result(self, child: int, reading: int) -> tuple[bytes, int | None]:
        self._poller.register(reading, select.POLLIN)
        seconds = min(self._deadline - time.monotonic(), WALL_SECONDS)
        if seconds <= 0 or not self._poller.poll(seconds * 1000 + 1):
            end(child)
            return b"", None
        data = os.read(reading, OUTCOME_BYTES)
        return data, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])  # its own timer ends it

    def _in_child(self, work: Callable[[], str], writing: int) -> None:
        # Each page that is touched here costs a page fault, and those are most of a cell's cost.
        try:
            os.close(self._kept_out)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
            signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
            self._filter.install(os.getpid())
            os.write(writing, work().encode(errors="replace")[:OUTCOME_BYTES])
            os._exit(0)
        finally:
            os._exit(1)

    def _tidy(self) -> None:
        """Leave nothing in the scratch folder but the cells' own, empty; nearly always it is so."""
        with contextlib.suppress(OSError):
            os.chmod(self._folder, 0o700)  # noqa: PTH101 - once per cell, see `_in_child`
            beside, inside = os.listdir(self._scratch), os.listdir(self._folder)  # noqa: PTH208
            if beside == [self._name] and not inside:
                return
        os.chdir(self._scratch)
        removal.empty_folder(self._scratch)
        self.enter()
