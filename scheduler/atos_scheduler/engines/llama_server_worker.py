"""The process that holds a `llama-server`: `python -m atos_scheduler.engines.llama_server_worker`.

    stdin   one JSON line as for `llama_cpp_worker`, with {binary, gpu_layers} besides; when it is closed both end
    stdout  one JSON line {"version", "confined", "pid"} when the model answers HTTP on its socket
    stderr  the server's own lines: the only place with the reason of a failed load

The binary knows nothing of us: it would outlive the scheduler, and says nowhere that it is ready. So this small process starts it, waits
for its health, and ends it; the kernel kills it if we die. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from atos_scheduler.engines.llama_server import ASK_SECONDS, arguments

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("llama.cpp", timeout=5)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def main() -> int:
    """Start the server, report that it answers, and end it when stdin is closed."""
    die_with_parent()
    os.umask(0o177)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the server prints must not fill the pipe that nobody reads any more
    config: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    known = subprocess.run(
        [config["binary"], "--help"], capture_output=True, text=True, timeout=ASK_SECONDS,
        check=False, errors="replace",
    )  # fmt: skip
    server = subprocess.Popen(
        [config["binary"], *arguments(config, known.stdout + known.stderr)],
        stdin=subprocess.DEVNULL,
        env=os.environ
        | {"LLAMA_API_KEY": config["key"]},  # a command line can be read by everybody
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread has been started yet
    )
    threading.Thread(target=end_with_stdin, args=(server,), daemon=True).start()
    if _ready(server, config["socket"]):
        with report:
            ready = {"version": config["binary"], "confined": "", "pid": server.pid}
            report.write(json.dumps(ready) + "\n")
    code = server.wait()
    return code if code >= 0 else 128 - code


def _ready(server: subprocess.Popen[bytes], path: str) -> bool:
    """Wait until the server is healthy; False if it ends before."""
    while server.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = _UnixConnection(path)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return True
        time.sleep(POLL_SECONDS)
    return False


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies; Linux only, elsewhere stdin is closed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_with_stdin(server: subprocess.Popen[bytes]) -> None:
    """Block until the scheduler closes the pipe or is gone, then end both."""
    while os.read(0, 4096):
        pass
    server.kill()
    server.wait()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
