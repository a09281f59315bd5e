"""The process that holds a private Ollama: `python -m atos_scheduler.engines.ollama_worker`.

    stdin   one JSON line {binary, host, models}; when it is closed both end
    stdout  one JSON line {"version", "confined", "pid"} when the server answers at `host`
    stderr  the server's own lines: the only place with the reason of a failed start

The binary would outlive the scheduler, and says nowhere that it is ready: as with `llama_server_worker`.
Standard library only.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

from atos_scheduler.engines.llama_server_worker import die_with_parent, end_with_stdin

POLL_SECONDS = 0.05
MOST_LOADED = "64"
"""The scheduler decides what is in memory: Ollama's own limit of three models must not."""


def main() -> int:
    """Start the server, report that it answers, and end it when stdin is closed."""
    die_with_parent()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the server prints must not fill the pipe that nobody reads any more
    config: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    environ = os.environ | {
        "OLLAMA_HOST": config["host"],
        "OLLAMA_MAX_LOADED_MODELS": MOST_LOADED,
    }
    if config["models"]:
        environ["OLLAMA_MODELS"] = config["models"]
    server = subprocess.Popen(
        [config["binary"], "serve"],
        stdin=subprocess.DEVNULL,
        env=environ,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread has been started yet
    )
    threading.Thread(target=end_with_stdin, args=(server,), daemon=True).start()
    if version := _version(server, config["host"]):
        with report:
            report.write(json.dumps({"version": version, "confined": "", "pid": server.pid}) + "\n")
    code = server.wait()
    return code if code >= 0 else 128 - code


def _version(server: subprocess.Popen[bytes], host: str) -> str:
    """Wait until the server answers, and return its version; "" if it ends before."""
    while server.poll() is None:
        connection = http.client.HTTPConnection(host, timeout=5)
        with (
            contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError),
            contextlib.closing(connection),
        ):
            connection.request("GET", "/api/version")
            return str(json.loads(connection.getresponse().read())["version"])
        time.sleep(POLL_SECONDS)
    return ""


if __name__ == "__main__":
    sys.exit(main())
