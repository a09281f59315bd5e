"""Keeps the process that sends traces running, where `ATOS_TRACE_TO` names a place; nothing here waits for it.

A ring is one byte into a pipe. Where the process is slow, hangs or is gone, the byte is dropped: what it would send is in
the events table, and it looks there by itself, too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys

import anyio
import anyio.to_thread

from atos_protocol.daemons import READY_FD, open_log
from atos_protocol.settings import Settings
from atos_servers.host.services import EventNotifier

COMMAND = (sys.executable, "-m", "atos_orchestrator.live_traces.process")
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds until another process takes the place of one that ended."""
END_SECONDS = 0.5
"""How long it may take to end."""

logger = logging.getLogger(__name__)


class TraceExporter:
    """Starts the process, rings it at every event, and starts another when it ends."""

    def __init__(self, settings: Settings, notifier: EventNotifier) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        notifier.listen(self.ring)

    def ring(self) -> None:
        """Say that there is something new."""
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError, ValueError):  # full, broken or closed
                os.write(self._process.stdin.fileno(), b"\n")

    async def run(self) -> None:
        """Keep it running until cancelled."""
        delay = FIRST_DELAY
        try:
            while True:
                try:
                    self._process = process = self._spawned()
                    await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
                    await anyio.to_thread.run_sync(self._end)
                    logger.warning("what sends traces ended with status %s", process.returncode)
                except OSError as error:
                    logger.warning("what sends traces can't be started: %s", error)
                await anyio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._end)

    def _spawned(self) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if name != READY_FD}
        with open_log(self._settings.logs / "traces.log") as log:
            process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environ,
                start_new_session=True,  # so that its end takes along a client that it runs apart
            )
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
