"""A WSGI or ASGI application that lives in the sandbox and is spoken to through its standard streams.

    starting --ready--> up --ends, or a reply is late--> waiting --back-off--> starting
       |not ready in time, or it raised
       +--> waiting

One request at a time. The application has no network: this process, which is ours, listens for it. Every
start stages the release anew, so what the application wrote into its folder is gone then.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.to_thread

from atos_protocol.errors import AtosError, DeadlineError, UnreachableError
from atos_servers.code_runner import staging
from atos_servers.code_runner.execution import launched_afresh
from atos_servers.code_runner.launcher_process import Channels, opened_channels
from atos_servers.code_runner.run_folder import run_folder
from atos_servers.code_runner.sandbox.job import MIB, Limits
from atos_servers.code_runner.sandbox_probe import Prober, job_in
from atos_servers.local_web.entry import Entry
from atos_servers.local_web.installed import Packages

State = Literal["starting", "up", "waiting"]

BRIDGE = Path(__file__).parent / "bridge.py"
BRIDGE_NAME = "_atos_bridge.py"
LIFE_SECONDS = 30 * 86_400.0
"""An application is started anew after this long, or after as much processor time."""
LIMITS = Limits(wall=LIFE_SECONDS, memory=512 * MIB)
START_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
LINE_BYTES = 32 * MIB
"""Of one reply; the bridge itself refuses bodies above 16 MiB."""
CHUNK = 65536

logger = logging.getLogger(__name__)


class _EndedError(Exception):
    """The application's process is gone, or says what no bridge says."""


@dataclass(slots=True)
class _Process:
    """One running application: what it writes, and the pipe that its requests go into."""

    channels: Channels
    requests: int
    _replies: bytearray = field(default_factory=bytearray)

    async def exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send one line and return the line that answers it."""
        await self._write(json.dumps(message).encode() + b"\n")
        return await self.read()

    async def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            try:
                left = left[os.write(self.requests, left) :]
            except BlockingIOError:
                await anyio.wait_writable(self.requests)

    async def read(self) -> dict[str, Any]:
        """Return the next line of standard output."""
        pipe = self.channels.stdout
        while b"\n" not in self._replies:
            await anyio.wait_readable(pipe)
            part = os.read(pipe, CHUNK)
            self._replies += part
            if not part or len(self._replies) > LINE_BYTES:
                raise _EndedError
        line, _, rest = self._replies.partition(b"\n")
        self._replies = bytearray(rest)
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise _EndedError from error
        if not isinstance(reply, dict):
            raise _EndedError
        return reply  # pyright: ignore[reportUnknownVariableType] - a JSON object

    async def log_errors(self) -> None:
        """Copy standard error to the log, a line at a time."""
        pipe, kept = self.channels.stderr, b""
        while True:
            await anyio.wait_readable(pipe)
            if not (part := os.read(pipe, CHUNK)):
                return
            *lines, kept = (kept + part).split(b"\n")
            for line in lines:
                logger.info("application: %s", line[:2000].decode(errors="replace"))
            kept = kept[-CHUNK:]


class Application:
    """Keeps one application running and hands it requests.

    Args:
        release: the folder that is staged at each start.
        entry: what to load from it.
        packages: returns the folders of the packages that it may import, once they are installed.
    """

    def __init__(self, release: Path, entry: Entry, packages: Packages) -> None:
        self._release, self._entry, self._packages = release, entry, packages
        self._prober = Prober()
        self._turn = anyio.Lock()
        self._process: _Process | None = None
        self._ended = anyio.Event()
        self._changed = anyio.Event()
        self.state: State = "starting"
        self.reason = ""
        """Why it is not up."""
        self.starts = 0

    async def request(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the application's reply to one request.

        Raises:
            UnreachableError: it is not up.
            DeadlineError: no reply came in time; it is started anew.
        """
        with anyio.move_on_after(seconds):
            async with self._turn:
                process = await self._up()
                try:
                    return await process.exchange(message)
                except (_EndedError, OSError) as error:
                    self._end("it ended in the middle of a request")
                    message_text = f"the application failed: {self.reason}"
                    raise UnreachableError(message_text) from error
                except anyio.get_cancelled_exc_class():
                    self._end(f"a reply took longer than {seconds:.0f} s")
                    raise
        message_text = f"the application did not answer within {seconds:.0f} s"
        raise DeadlineError(
            message_text, next_step="See its log: atos-client deployments logs NAME"
        )

    async def _up(self) -> _Process:
        """Wait while it is starting for the first time or anew; return it."""
        while (process := self._process) is None:
            if self.state == "waiting":
                message = f"the application is not up: {self.reason}"
                raise UnreachableError(message)
            await self._changed.wait()
        return process

    def _end(self, reason: str) -> None:
        self.reason, self._process = reason, None
        self._ended.set()

    def _set(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._changed.set()
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Keep it running until cancelled."""
        pause = FIRST_PAUSE
        while True:
            self._set("starting")
            began = anyio.current_time()
            self.starts += 1
            try:
                async with self._started() as process:
                    self._process, self._ended = process, anyio.Event()
                    self._set("up")
                    logger.info("%s is up", self._entry.what)
                    await self._watch(process)
            except (AtosError, OSError) as error:
                self.reason = str(error)
            self._process = None
            self._set("waiting", self.reason or "it ended by itself")
            pause = (
                FIRST_PAUSE if anyio.current_time() - began > 60 else min(pause * 2, LONGEST_PAUSE)
            )
            logger.warning("%s: %s; next start in %.1f s", self._entry.what, self.reason, pause)
            await anyio.sleep(pause)

    async def _watch(self, process: _Process) -> None:
        """Return when the application's process is gone or a request has given it up."""
        async with anyio.create_task_group() as tasks:

            async def until_gone() -> None:
                await process.log_errors()  # ends with the process
                self._end(self.reason or "it ended by itself")

            tasks.start_soon(until_gone)
            await self._ended.wait()
            tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def _started(self) -> AsyncGenerator[_Process]:
        """Stage, start, wait until it is ready; end it afterwards.

        Raises:
            PackagesError: what it needs can't be installed.
            UnreachableError: it raised at import, or was not ready in time; the reason is in the message.
            SandboxUnavailableError: this machine has no sandbox for it.
        """
        packages = await self._packages()
        sandbox = await self._prober.sandbox()
        level = sandbox.choose("general")
        with run_folder() as folder:
            stage = staging.stage_folder
            await anyio.to_thread.run_sync(stage, self._release, [self._release], folder.code)
            staging.put(folder.code, {BRIDGE_NAME: BRIDGE.read_text(encoding="utf-8")})
            entry = self._entry
            factory = "factory" if entry.factory else "object"
            job = job_in(
                folder, level, sandbox, kind="script", script=BRIDGE_NAME, limits=LIMITS,
                arguments=(entry.module, entry.name, entry.interface, factory), packages=packages,
            )  # fmt: skip
            with _pipe(folder.path / "requests") as requests:
                channels = opened_channels(folder.path / "requests")
                launcher = launched_afresh(job, channels)
                try:
                    await launcher.send(job)
                    process = _Process(channels, requests)
                    await self._until_ready(process)
                    yield process
                finally:
                    await launcher.close()

    async def _until_ready(self, process: _Process) -> None:
        ready: dict[str, Any] = {"error": f"it was not ready within {START_SECONDS:.0f} s"}
        with anyio.move_on_after(START_SECONDS):
            try:
                ready = await process.read()
            except _EndedError:
                ready = {"error": "it ended before it was ready"}
        if ready.get("ready") is not True:
            said = str(ready.get("error", "")).strip()
            logger.warning("the application can't be loaded:\n%s", said)
            raise UnreachableError(said.splitlines()[-1][:300] if said else "it can't be loaded")


@contextlib.contextmanager
def _pipe(path: Path) -> Any:
    """Make a named pipe and hold its writing end; a reader opens it without waiting for us."""
    os.mkfifo(path, 0o600)
    both = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISFIFO(os.fstat(both).st_mode):  # somebody put a file there
            raise OSError(errno.EINVAL, "the pipe was replaced")
        yield both
    finally:
        os.close(both)
