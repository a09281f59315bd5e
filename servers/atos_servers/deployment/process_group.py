"""Runs a program of others with a deadline, in a group of its own: whatever it has started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended."""

    returncode: int
    output: str
    """What it printed."""
    errors: str
    """What it printed to standard error; empty where both are one."""


def run_in_group(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    folder: Path | None = None,
    passed: Sequence[int] = (),
    together: bool = False,
) -> Ended:
    """Run a program to its end.

    Args:
        command: program and arguments.
        environment: all of it.
        seconds: how long it may take.
        folder: where it runs; None: here.
        passed: descriptors that it and its children inherit.
        together: whether standard error is part of the output.

    Raises:
        subprocess.TimeoutExpired: it did not end in time, and was ended with all that it has started.
        OSError: it can't be started.
    """
    errors = subprocess.STDOUT if together else subprocess.PIPE
    process = subprocess.Popen(
        list(command), cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=errors, text=True, errors="replace", start_new_session=True, pass_fds=tuple(passed),
    )  # fmt: skip
    with process, _ended_as_a_whole(process):
        output, said = process.communicate(timeout=seconds)
    return Ended(process.returncode, output, said or "")


@contextmanager
def _ended_as_a_whole(process: subprocess.Popen[str]) -> Generator[None]:
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the program may be gone, and leave what it has started
            os.killpg(process.pid, signal.SIGKILL)
