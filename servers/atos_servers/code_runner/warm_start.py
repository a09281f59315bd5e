"""Launchers that are forked instead of started: the host's side of `sandbox/zygote.py`.

Two zygotes serve all runs of an interpreter: one that has imported pytest, and a plain one for what needs no pytest,
since a fork costs what the process holds: 4.5 ms of processor time with pytest, 1.1 without, and an evaluation forks
once for each cell. They are started behind the first run and take over when they are ready; whenever one is not there,
is not ready, or does not answer, a launcher is started afresh, so nothing depends on them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

import anyio
import anyio.to_thread

from atos_servers.code_runner.interpreter import Interpreter
from atos_servers.code_runner.launcher_process import LAUNCHER, Channels, ForkedLauncher
from atos_servers.code_runner.sandbox.job import Kind

MOST_FORKS = 200
"""Then another zygote takes over, so that what its launchers share (addresses, hash seed) does not stay."""
ANSWER_SECONDS = 3.0
ENDING_SECONDS = 1.0
READY = b"ready"
Holding = Literal["pytest", "nothing"]
"""What a zygote has imported beside the launcher."""
HOLDINGS: tuple[Holding, ...] = ("nothing", "pytest")


def needed_by(kind: Kind) -> Holding:
    """Return which zygote forks the launcher of such a job."""
    return "pytest" if kind == "pytest" else "nothing"


class _Zygote:
    """One zygote process and the host's end of its connection."""

    def __init__(self, python: Interpreter, holding: Holding) -> None:
        self.forks = 0
        self._ready = False
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [python.executable, "-I", "-S", str(LAUNCHER), "--zygote", str(theirs.fileno())]
        quiet = subprocess.DEVNULL
        try:
            self.process = subprocess.Popen(
                command, stdin=quiet, stdout=quiet, stderr=quiet, env={"LANG": "C.UTF-8"},
                pass_fds=(theirs.fileno(),), start_new_session=True, cwd="/",
            )  # fmt: skip
            site = python.site if holding == "pytest" else None
            self._connection.send(json.dumps(site).encode())
        except OSError:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._connection.setblocking(False)

    def is_ready(self) -> bool:
        """Return whether it has imported all it needs and can fork."""
        if not self._ready:
            with suppress(OSError):
                self._ready = self._connection.recv(16) == READY
        return self._ready

    async def fork(
        self, environment: Mapping[str, str], descriptors: list[int]
    ) -> ForkedLauncher | None:
        """Have it fork a launcher; None when it does not answer in time.

        Raises:
            OSError: it has ended.
        """
        self.forks += 1
        socket.send_fds(self._connection, [json.dumps(environment).encode()], descriptors)
        with anyio.move_on_after(ANSWER_SECONDS):
            await anyio.wait_readable(self._connection)
            data, handles, _, _ = socket.recv_fds(self._connection, 64, 1)
            if not data:
                message = "the zygote has ended"
                raise ConnectionResetError(message)
            return ForkedLauncher(json.loads(data), handles[0] if handles else -1)
        return None

    def retire(self) -> None:
        """Ask it to end once its launchers have."""
        self._connection.close()


class WarmStart:
    """Keeps the zygotes of an interpreter, and replaces them.

    Args:
        python: the interpreter that runs the code.
        most_forks: after so many of one another takes over.
    """

    def __init__(self, python: Interpreter, *, most_forks: int = MOST_FORKS) -> None:
        self._python = python
        self._most_forks = most_forks
        self._zygotes: dict[Holding, _Zygote] = {}
        self._retired: list[subprocess.Popen[bytes]] = []
        self._turn = anyio.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the next launcher of any run would be forked."""
        return all(map(self._is_ready, HOLDINGS))

    def is_ready_for(self, kind: Kind) -> bool:
        """Whether the next launcher of such a job would be forked."""
        return self._is_ready(needed_by(kind))

    def _is_ready(self, holding: Holding) -> bool:
        zygote = self._zygotes.get(holding)
        return zygote is not None and zygote.is_ready()

    def prepare(self) -> None:
        """Start the zygotes that are not there; they get ready while other things go on."""
        self._retired = [process for process in self._retired if process.poll() is None]
        for holding in HOLDINGS:
            if (zygote := self._zygotes.get(holding)) and zygote.process.poll() is not None:
                self._retire(holding)
            if holding not in self._zygotes and hasattr(os, "pidfd_open"):
                with suppress(OSError):  # every run starts afresh then
                    self._zygotes[holding] = _Zygote(self._python, holding)

    async def launcher(
        self, kind: Kind, environment: Mapping[str, str], channels: Channels
    ) -> ForkedLauncher | None:
        """Fork the launcher of such a job; None where that is not possible now: start one afresh, with other channels."""
        async with self._turn:
            holding = needed_by(kind)
            if (zygote := self._zygotes.get(holding)) is None or not zygote.is_ready():
                return None
            forked: ForkedLauncher | None = None
            try:
                with suppress(OSError):
                    forked = await zygote.fork(environment, channels.theirs)
            finally:
                if (
                    forked is None
                ):  # also when cancelled: its answer would be taken for the next one
                    self._retire(holding, at_once=True)
                elif zygote.forks >= self._most_forks:
                    self._retire(holding)
        return forked

    def _retire(self, holding: Holding, *, at_once: bool = False) -> None:
        if (zygote := self._zygotes.pop(holding, None)) is None:
            return
        zygote.retire()
        if at_once:
            zygote.process.kill()
        self._retired.append(zygote.process)

    async def close(self) -> None:
        """End the zygotes; a later `prepare` starts another."""
        for holding in HOLDINGS:
            self._retire(holding)
        retired, self._retired = self._retired, []
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_end, retired)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
