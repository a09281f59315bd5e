"""Starts one launcher, sends it a job, reads what it reports, and never leaves it behind.

The launcher is spawned from the event loop's thread and holds one end of a socket pair: when this
process is killed, or closes its end, the supervisor inside the launcher kills the run. So clean-up
after a cancellation is closing a socket and waiting, in a shield with a deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from atos_protocol.errors import DeadlineError
from atos_servers.code_runner.evidence import Stream
from atos_servers.code_runner.interpreter import (
    Interpreter,
    broken_environment,
    sandbox_environment,
)
from atos_servers.code_runner.launcher_process import (
    Channels,
    LauncherProcess,
    opened_channels,
    started_afresh,
)
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.warm_start import WarmStart

OUTPUT_BYTES = 200_000
FLOOD_FACTOR = 8
"""Output, or a report, beyond this many times what is kept ends the run: the host reads no flood to its end."""
REPORT_BYTES = 8 * 2**20
START_SECONDS = 3.0
GRACE_SECONDS = 3.0
"""For the launcher's own start and end, in addition to the run's wall time."""
FINAL_READ_SECONDS = 1.0
"""For reading what is left once the launcher is gone; a survivor may hold the pipes open."""
CLEANUP_SECONDS = 4.0
CHUNK = 65536


@dataclass(slots=True)
class BoundedOutput:
    """The first bytes of a stream, and how many there were."""

    most: int
    data: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, part: bytes) -> None:
        """Keep what still fits."""
        self.total += len(part)
        self.data += part[: max(0, self.most - len(self.data))]

    @property
    def text(self) -> str:
        """What was kept, as text."""
        return self.data.decode(errors="replace")


@dataclass(slots=True)
class Outcome:
    """What a launcher reported and what its run wrote."""

    key: bytes
    stdout: BoundedOutput
    stderr: BoundedOutput
    report: BoundedOutput
    status: dict[str, Any]
    """The launcher's own messages, merged."""
    flooded: bool = False
    late: bool = False
    """Whether the launcher had not said its last word when it was no longer waited for."""

    @property
    def cause(self) -> str:
        """Why the run was ended from outside; empty when it ended by itself."""
        if self.flooded:
            return "output_limit"
        if "end" not in self.status:
            unread = "reading" in self.status and "expected" not in self.status
            gone = "timeout" if self.late else "lost"
            return "not_parsed" if unread else gone
        return self.status["end"]["cause"]

    @property
    def code(self) -> int:
        """Exit code, or minus the signal."""
        return self.status.get("end", {}).get("code", -9)

    @property
    def last_line(self) -> str:
        """The last line of stderr; empty when there is none."""
        lines = self.stderr.text.strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the launcher and of everything below it; 0 where it did not say."""
        return self.status.get("end", {}).get("cpu", 0.0)

    def interval(self) -> tuple[float, float]:
        """Epoch seconds around the sandboxed work; zeros when it never began."""
        end = self.status.get("end", {})
        return end.get("started_at", 0.0), end.get("ended_at", 0.0)


async def _drain(read: Callable[[], bytes], descriptor: int, kept: BoundedOutput) -> None:
    while True:
        try:
            part = read()
        except BlockingIOError:
            await anyio.wait_readable(descriptor)
            continue
        except ConnectionResetError:
            return
        if not part:
            return
        kept.add(part)
        if kept.total % (16 * CHUNK) < CHUNK:
            await anyio.lowlevel.checkpoint()  # a flood must not hold the loop


async def _send(end: socket.socket, message: bytes) -> None:
    left = memoryview(message)
    while left:
        try:
            left = left[end.send(left) :]
        except BlockingIOError:  # a long job, and the launcher is still starting
            await anyio.wait_writable(end)


class Launcher:
    """One launcher process and the host's ends of its channels."""

    def __init__(self, channels: Channels, process: LauncherProcess) -> None:
        self.key = secrets.token_bytes(32)
        self.ended = False
        self.process = process
        self._channels = channels
        self.control, self.report = channels.control, channels.report
        self.control.setblocking(False)
        self.report.setblocking(False)

    async def send(self, job: Job) -> None:
        """Hand over the job and the report's key; a launcher that has died takes neither."""
        with anyio.move_on_after(START_SECONDS), contextlib.suppress(OSError):
            await _send(self.control, job.to_json().encode() + b"\n")
            await _send(self.report, self.key)

    async def drain(self, outcome: Outcome, job: Job) -> None:
        """Read everything until the launcher has closed its ends, or a flood or the time ends it."""
        messages = BoundedOutput(REPORT_BYTES)
        wall = job.limits.wall + GRACE_SECONDS
        with anyio.move_on_after(wall) as limit:
            async with anyio.create_task_group() as readers:
                streams = (
                    (self._channels.stdout, outcome.stdout),
                    (self._channels.stderr, outcome.stderr),
                    (self.report.fileno(), outcome.report),
                )
                for descriptor, kept in streams:
                    readers.start_soon(self._drain_output, descriptor, kept, outcome)
                await _drain(lambda: self.control.recv(CHUNK), self.control.fileno(), messages)
                readers.cancel_scope.deadline = anyio.current_time() + FINAL_READ_SECONDS
        outcome.late = limit.cancelled_caught
        *lines, _torn = bytes(messages.data).split(b"\n")  # a supervisor may be killed in a line
        for line in lines:
            outcome.status |= json.loads(line)
        self.ended = bool(outcome.status)

    async def _drain_output(self, descriptor: int, kept: BoundedOutput, outcome: Outcome) -> None:
        def read() -> bytes:
            part = os.read(descriptor, CHUNK)
            if kept.total > FLOOD_FACTOR * kept.most and not outcome.flooded:
                outcome.flooded = True
                with contextlib.suppress(OSError):  # it may have ended by itself
                    self.control.shutdown(socket.SHUT_WR)  # the supervisor ends the run
            return part

        await _drain(read, descriptor, kept)

    def _wait_or_kill(self) -> None:
        try:
            self.process.wait(CLEANUP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    async def close(self) -> None:
        """End the run if it still goes on, and wait until the launcher is gone."""
        self.control.close()
        self.report.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._wait_or_kill)
        if not self.ended:  # a supervisor that was killed can't have killed what it watched
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self._channels.close()


async def _launched(job: Job, stdin: Path | None, warm: WarmStart | None) -> Launcher:
    """Fork a launcher where that is possible, else start one."""
    environment = sandbox_environment(job)
    if warm is not None and warm.is_ready_for(job.kind):
        channels = opened_channels(stdin)
        process: LauncherProcess | None = None
        try:
            process = await warm.launcher(job.kind, environment, channels)
        finally:
            channels.hand_over()
            if process is None:
                channels.close()
        if process is not None:
            return Launcher(channels, process)
    return launched_afresh(job, opened_channels(stdin))


def launched_afresh(job: Job, channels: Channels) -> Launcher:
    """Start a launcher on these channels, which are closed where it can't be; the job is to be sent yet.

    Raises:
        SandboxUnavailableError: the interpreter can't be started.
    """
    try:
        process = started_afresh(job.executable, sandbox_environment(job), channels)
    except BaseException:
        channels.close()
        raise
    finally:
        channels.hand_over()
    return Launcher(channels, process)


async def execute(job: Job, *, stdin: Path | None = None, warm: WarmStart | None = None) -> Outcome:
    """Run a job to its end; on cancellation everything it started is gone before this returns.

    Args:
        job: what to run.
        stdin: a file that the code reads.
        warm: forks the launcher, where it is ready; it gets ready behind this run otherwise.

    Raises:
        SandboxUnavailableError: the interpreter can't be started.
    """
    launcher = await _launched(job, stdin, warm)
    sizes = (OUTPUT_BYTES, OUTPUT_BYTES, REPORT_BYTES)
    outcome = Outcome(launcher.key, *map(BoundedOutput, sizes), status={})
    try:
        await launcher.send(job)
        await launcher.drain(outcome, job)
    finally:
        await launcher.close()
    if warm is not None:
        warm.prepare()
    return outcome


def require_start(stream: Stream, outcome: Outcome, python: Interpreter) -> None:
    """Refuse to judge a run that ended before any code of the caller's was reached.

    Raises:
        DeadlineError: the machine had so much to do that the code was not reached in time.
        SandboxUnavailableError: the interpreter, its packages or the launcher does not work here.
    """
    silent = {"timeout", "lost"} if "end" not in outcome.status else {""}
    if stream.started or not stream.intact or outcome.cause not in silent:
        return
    if outcome.late:
        message = "the machine is too busy: the run had not begun when its time was over"
        raise DeadlineError(message, next_step="Call again.")
    ended = f"the launcher ended before the code began (exit code {outcome.code})"
    said = f"{ended}: {outcome.last_line[:200]}" if outcome.last_line else ended
    raise broken_environment(python.executable, stream.broken or said)
