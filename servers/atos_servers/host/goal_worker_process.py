"""The worker's process: a child of the host that executes goals, and its control socket.

Standard library only, because the host starts it before its own slow imports: on two cores both then
import at the same time. `worker_supervisor` restarts it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from atos_protocol.daemons import READY_FD, open_log
from atos_protocol.settings import Settings

COMMAND = (sys.executable, "-m", "atos_orchestrator.execution.worker")
DRAIN_SECONDS = 1.0
"""How long a worker may take to end once its control socket is closed."""


@dataclass(frozen=True, slots=True)
class GoalWorkerProcess:
    """A running worker and the host's end of its control socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    def end(self, seconds: float = DRAIN_SECONDS) -> None:
        """Close the control socket, wait, and kill what is left."""
        self.control.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def spawn_worker(settings: Settings, command: Sequence[str] = COMMAND) -> GoalWorkerProcess:
    """Start a worker; call it from the main thread, because a child may be tied to its parent's."""
    ours, theirs = socket.socketpair()
    environ = {name: value for name, value in os.environ.items() if name != READY_FD}
    with theirs, open_log(settings.logs / "worker.log") as log:
        process = subprocess.Popen(
            [*command, "--control-fd", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environ,
            pass_fds=(theirs.fileno(),),
        )
    return GoalWorkerProcess(process, ours)
