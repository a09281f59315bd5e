"""`make bench NAME=first-minute`: what a person waits for, in whole processes.

An add-function goal from daemons down and with them up, and `atos-client status`, each against the
limit that the design sets. The installation itself is not part of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import report, row

CLIENT = str(Path(sys.executable).parent / "atos-client")
GOAL = "Write a Python function to add two numbers"
REFUSED = "Build a price-tracking SaaS"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
STATUS_ROUNDS = 20


def timed(*arguments: str, code: int = 0) -> float:
    """Run `atos-client` and return its seconds.

    Raises:
        SystemExit: it ended with another exit code than `code`, so its time means nothing.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [CLIENT, *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    if done.returncode != code:
        message = f"atos-client {arguments} ended with {done.returncode}: {done.stderr}"
        raise SystemExit(message)
    return time.perf_counter() - start


def main() -> None:
    """Measure in a home of its own, and leave nothing running."""
    person = tempfile.mkdtemp(prefix="atos")
    os.environ |= {"HOME": person, "ATOS_HTTP_PORT": "0", "ATOS_OLLAMA_URL": ""}
    try:
        down: list[float] = []
        refused: list[float] = []
        for _ in range(ROUNDS):
            down.append(timed("build", GOAL))
            timed("down")
            refused.append(timed("build", REFUSED, code=3))
            timed("down")
        timed("up")
        timed("build", GOAL)
        up = [timed("build", GOAL) for _ in range(ROUNDS)]
        time.sleep(1)  # let the goal's clean-up end: `status` is measured on an idle machine
        status = [timed("status") * 1000 for _ in range(STATUS_ROUNDS)]
        bare = [bare_python() * 1000 for _ in range(STATUS_ROUNDS)]
    finally:
        timed("down")
        shutil.rmtree(person, ignore_errors=True)
    rows = [
        row("add-function goal, daemons down", down, "s ", 12.0),
        row("add-function goal, daemons up", up, "s ", 5.0),
        row("refusal without a model, daemons down", refused, "s ", 5.0),
        row("atos-client status", status, "ms", 150.0),
        row("python -c pass (the floor)", bare, "ms"),
    ]
    report("first-minute", rows)


def bare_python() -> float:
    """Return the seconds that the interpreter alone needs."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=30)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
