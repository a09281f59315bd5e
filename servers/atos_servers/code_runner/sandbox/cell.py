"""One cell of an evaluation: a forked process that runs one assertion or call, and its outcome.

What a cell does to itself ends with it: it may change builtins, exit, crash, loop or leave threads.
Before it reads the assertion it gives up what could reach further: it can start threads but no
process, signal nobody else, and holds no descriptor of the report. Its time is CPU time, because on
a busy machine wall-clock limits call right programs wrong; the wall limit is for what sleeps.

    forked -> confined -> ran -> [wrote its outcome] -> ended | killed at the wall limit

Where the isolation level refuses signals to other processes, a cell that outlives its wall limit is
left behind; it ends with its parent (PDEATHSIG), and the supervisor leaves nothing at all.
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

from atos_servers.code_runner.sandbox import kernel, seccomp, supervise
from atos_servers.code_runner.sandbox.job import MIB

CPU_SECONDS = 1.0
WALL_SECONDS = 3.0
DATA_BYTES = 384 * MIB
"""Private memory of one cell: below what the whole run may use, so that it costs the cell alone."""
FILE_BYTES = 16 * MIB
OUTCOME_BYTES = 4000
OUT_OF_TIME = frozenset({signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL})
TIMERS = (signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM)


def limit_time(cpu: float, wall: float) -> None:
    """Have the kernel end this process after so much CPU time, or so long; 0 and 0 lift it."""
    for number in TIMERS:
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    signal.setitimer(signal.ITIMER_REAL, wall)


def _lower(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (lowest, lowest))


def _confine(parent: int) -> None:
    kernel.die_with(parent)
    _lower(resource.RLIMIT_CPU, int(CPU_SECONDS) + 1)  # for code that resets the timers
    _lower(resource.RLIMIT_DATA, DATA_BYTES)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TIMERS)
    seccomp.install_single(os.getpid())
    limit_time(CPU_SECONDS, WALL_SECONDS)


def enter(folder: Path) -> None:
    """Make a folder the current one, the home and the place for temporary files."""
    folder.mkdir()
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = str(folder)


def _in_child(work: Callable[[], str], folder: Path, writing: int, parent: int) -> None:
    try:
        enter(folder)
        _confine(parent)
        os.write(writing, work().encode(errors="replace")[:OUTCOME_BYTES])
        os._exit(0)
    finally:
        os._exit(1)


def wait(child: int, deadline: float) -> int | None:
    """Wait until a child ends, and return its exit code or minus the signal; None at the deadline."""
    poller = select.poll()
    with contextlib.suppress(OSError):  # kernels before 5.3: a look every few milliseconds
        poller.register(os.pidfd_open(child), select.POLLIN)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if (left := deadline - time.monotonic()) <= 0:
            return None
        poller.poll(min(left, 0.005) * 1000 + 1)


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


def run(work: Callable[[], str], folder: Path, kept_out: int, deadline: float) -> str:
    """Run `work` in a cell of its own with an empty current folder; return its outcome.

    Args:
        kept_out: a descriptor that the cell must not have.
        deadline: of the whole run, on the monotonic clock.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(writing)
        return f"error: no process could be started: {error.strerror}"
    if child == 0:
        os.close(reading)
        os.close(kept_out)
        _in_child(work, folder, writing, parent)
    os.close(writing)
    code = wait(child, min(deadline, time.monotonic() + WALL_SECONDS + 0.5))
    if code is None:
        end(child)
    os.set_blocking(reading, False)
    with contextlib.suppress(BlockingIOError):
        data = os.read(reading, OUTCOME_BYTES)
    os.close(reading)
    clear(folder)
    if code is None:
        return "timeout"
    return data.decode(errors="replace") if code == 0 and data else ended(code)


def clear(folder: Path) -> None:
    """Remove a cell's folder, and whatever it left beside it."""
    with contextlib.suppress(OSError):
        folder.rmdir()  # nearly always: it wrote nothing
    with os.scandir(folder.parent) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                supervise.remove(entry.path)
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()
