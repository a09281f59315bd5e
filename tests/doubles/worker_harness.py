"""Starts a worker as the host does, and plays the host's end of its control socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

TESTS = Path(__file__).parent.parent
START_SECONDS = 30.0


class HostedWorker:
    """A worker process and the control socket to it; a context manager that leaves nothing behind."""

    def __init__(self, log: Path, **environ: str) -> None:
        self._control, theirs = socket.socketpair()
        with theirs, log.open("ab") as sink:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "doubles.double_worker",
                    "--control-fd",
                    str(theirs.fileno()),
                ],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": str(TESTS), **environ},
                stdout=sink,
                stderr=sink,
                cwd="/",
            )
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.process.kill()
        self.process.wait()

    def hear(self, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Return the next message; an empty one when the worker has ended.

        Raises:
            TimeoutError: it said nothing.
        """
        deadline = time.monotonic() + seconds
        while b"\n" not in self._heard:
            self._control.settimeout(max(0.001, deadline - time.monotonic()))
            more = self._control.recv(4096)
            if not more:
                return {}
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return json.loads(line)

    def until(self, seconds: float = START_SECONDS, **wanted: Any) -> dict[str, Any]:
        """Return the first message that has these fields; an empty one when the worker ended."""
        deadline = time.monotonic() + seconds
        while message := self.hear(deadline - time.monotonic()):
            if wanted.items() <= message.items():
                return message
        return {}

    def tell(self, **message: Any) -> None:
        """Send a message."""
        self._control.sendall(json.dumps(message).encode() + b"\n")

    def hang_up(self) -> None:
        """Close the control socket, as a host does that ends."""
        self._control.close()

    def end_by_signal(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
