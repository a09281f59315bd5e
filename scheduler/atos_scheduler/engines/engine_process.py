"""One engine worker as a child process: its start, readiness, exit and end.

    starting --ready line--> alive --stdin closed--> gone
        |                      |
        +--ended / deadline----+--killed, crashed--> gone

A worker is never left behind: whoever starts one and is cancelled kills it and waits for its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import anyio
import psutil
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from atos_protocol.errors import LoadFailedError

END_SECONDS = 5.0
"""How long a worker may take to end by itself once its stdin is closed."""
KILL_SECONDS = 10.0
STALL_SECONDS = 8.0
"""How long a worker that loads may compute nothing; reading a file from a slow disk takes some computing."""
SHORT_OF_MEMORY = re.compile(r"MemoryError|bad_alloc|[Cc]annot allocate|[Oo]ut of memory")
"""What a worker says whose load ran out of memory: others may have let go of theirs by the next try."""
READY_BYTES = 4_096
REASON_BYTES = 65_536
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ")
PASSED_ON_PREFIXES = ("CUDA_", "GGML_", "GPU_", "HIP_", "HSA_", "NVIDIA_", "OMP_", "ROCR_", "VK_")
"""Of the environment, what finds libraries and devices; the rest may hold keys, and is not passed on."""


class EngineProcess:
    """A running worker and its ready line."""

    def __init__(self, process: Process, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._reason = ""
        self._failure: LoadFailedError | None = None
        self.ready: dict[str, Any] = {}

    @classmethod
    async def start(cls, module: str, config: dict[str, Any], seconds: float) -> EngineProcess:
        """Start `python -m module`, send it its configuration on stdin and wait for its ready line.

        Raises:
            LoadFailedError: it ended or did not answer in time; the message carries the engine's reason.
        """
        worker = cls(*await _spawned(module, config))
        try:
            with anyio.fail_after(seconds):
                worker.ready = await worker._watched(config)
        except TimeoutError as error:
            await worker.kill()
            message = f"the engine worker was not ready within {seconds:.0f} s{worker._reason}"
            step = "Take a smaller model, or try again when the machine is less busy."
            raise _no_fault_of_the_file(message, step) from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def _watched(self, config: dict[str, Any]) -> dict[str, Any]:
        """Wait for the ready line, as long as the worker does anything at all for it.

        Raises:
            LoadFailedError: it computed nothing for `STALL_SECONDS`: it is stopped, or hangs.
        """
        ready: dict[str, Any] = {}
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            try:
                ready = await self._exchange(config)
            except LoadFailedError as error:
                self._failure = self._failure or error  # a task group would wrap it
            group.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        return ready

    async def _watch(self) -> None:
        """Kill a worker that stands still; its pipe breaks, which ends the wait for it."""
        before = -1.0
        while (spent := self._tree_seconds()) > before:
            before = spent
            await anyio.sleep(STALL_SECONDS)
        if self.alive:
            message = f"the engine worker stood still for {STALL_SECONDS:.0f} s while it loaded"
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._failure = _no_fault_of_the_file(message)

    def _tree_seconds(self) -> float:
        """Return the time that the worker and what it has started have computed."""
        try:
            worker = psutil.Process(self.pid)
            each = [p.cpu_times() for p in (worker, *worker.children())]
        except psutil.Error:
            return 0.0
        return sum(spent.user + spent.system for spent in each)

    async def _exchange(self, config: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:  # open_process made both pipes
            raise AssertionError
        try:
            await stdin.send(json.dumps(config).encode() + b"\n")
            lines = BufferedByteReceiveStream(stdout)
            return json.loads(await lines.receive_until(b"\n", READY_BYTES))
        except (anyio.BrokenResourceError, anyio.IncompleteRead, ValueError) as error:
            await self.end()
            message = f"the engine worker {self.exit_reason()}"
            if self._process.returncode == -signal.SIGKILL or SHORT_OF_MEMORY.search(message):
                raise _no_fault_of_the_file(message) from error
            raise LoadFailedError(message, next_step="Check the model file.") from error

    @property
    def pid(self) -> int:
        """The worker's process id, also after its end."""
        return self._process.pid

    @property
    def engine_pid(self) -> int:
        """The process that holds the model: the worker, or what it has started."""
        return int(self.ready.get("pid", self.pid))

    @property
    def alive(self) -> bool:
        """False as soon as the process has ended, whoever ended it."""
        return self._process.returncode is None

    def exit_reason(self) -> str:
        """Return how the worker ended and why; "" while it runs."""
        code = self._process.returncode
        if code is None:
            return ""
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return ended + self._why()

    def _why(self) -> str:
        """Return the first error line that the engine printed, as ": reason", or ""."""
        if self._errors.closed:
            return self._reason
        written = os.pread(self._errors.fileno(), REASON_BYTES, 0)
        lines = written.decode("utf-8", "replace").splitlines()
        reasons = [line.split(" E ", 1)[1].strip() for line in lines if " E " in line]
        chosen = reasons[:1] or [line.strip() for line in lines[-1:]]
        return f": {chosen[0][:300]}" if chosen else ""

    def memory(self) -> tuple[int, int]:
        """Return the resident bytes, and the part of them in pages of files; zeros once it has ended."""
        try:
            found = psutil.Process(self.engine_pid).memory_info()
        except psutil.Error:
            return 0, 0
        return found.rss, min(found.rss, getattr(found, "shared", 0))

    def cpu_seconds(self) -> float:
        """Return the time that it has computed; 0.0 once it has ended."""
        try:
            spent = psutil.Process(self.engine_pid).cpu_times()
        except psutil.Error:
            return 0.0
        return spent.user + spent.system

    async def wait_exited(self, seconds: float) -> bool:
        """Wait until the process has exited; False if it still runs after so many seconds."""
        with anyio.move_on_after(seconds):
            await self._process.wait()
        return not self.alive

    async def end(self) -> None:
        """Close stdin, on which the worker ends; kill it if it has not exited in time."""
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            await self.wait_exited(END_SECONDS)
            await self.kill()

    async def kill(self) -> None:
        """Kill the process if it lives, wait for its exit and close its pipes."""
        with anyio.CancelScope(shield=True), anyio.fail_after(KILL_SECONDS):
            if self.alive:
                # Not Process.kill: it reaps a process that has just exited, and its exit status is lost.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            await self._process.wait()
            await self._process.aclose()
        self._reason = self._why()
        self._errors.close()


def _no_fault_of_the_file(
    message: str, step: str = "Try again: another one is started."
) -> LoadFailedError:
    """Return the error of a load that the machine's trouble ended: another try may succeed."""
    error = LoadFailedError(message, next_step=step)
    error.retry = True
    return error


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a worker gets."""
    return {
        name: value
        for name, value in environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }


async def _spawned(module: str, config: Mapping[str, Any]) -> tuple[Process, IO[bytes]]:
    """Start the process; its errors go to a file that lives as long as the worker."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the worker is gone)
    # The argument says whose it is: `engine_socket.sweep` ends what a killed scheduler left.
    command = [sys.executable, "-P", "-m", module, str(Path(config["socket"]).parents[1])]
    with anyio.CancelScope(shield=True):  # a cancellation between fork and handle would leak it
        # A session of its own, so that Ctrl-C in the scheduler's terminal does not reach it.
        process = await anyio.open_process(
            command, stderr=errors, cwd="/", env=environment(os.environ), start_new_session=True
        )
        return process, errors
    raise AssertionError  # the scope is never cancelled
