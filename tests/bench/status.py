"""`make bench NAME=status`: what `atos-client status` takes, and what daemons cost while nothing happens.

In homes of their own, with real daemons: idle, with `GOALS` (12) goals of the demonstration model at work, and behind
`FINISHED` (10000) finished goals. A row of seconds is what a person waits for; the row below it is what the command itself
used of a core, which a busy machine blurs less. `IDLE` (60) seconds are watched for processor time and wake-ups.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_protocol.daemons import ensure
from atos_protocol.settings import Settings
from bench.goal_overhead import finish_goals
from bench.private_home import private_home
from bench.table import Row, report, row

CLIENT = str(Path(sys.executable).parent / "atos-client")
GOAL = "Write a Python function to add two numbers"
SAMPLES = int(os.environ.get("SAMPLES", "11"))
GOALS = int(os.environ.get("GOALS", "12"))
FINISHED = int(os.environ.get("FINISHED", "10000"))
IDLE = float(os.environ.get("IDLE", "60"))
SETTLE_SECONDS = 10.0
"""So long after their start the daemons still do what a start needs."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used so far."""

    processor: float
    """Seconds of a core."""
    switches: int
    """How often one of its threads was put on a core after it had waited."""


def client(*words: str) -> tuple[str, float, float]:
    """Run a command; return what it printed, the seconds it took, and what of a core it used itself."""
    began = time.perf_counter()
    with subprocess.Popen([CLIENT, *words], stdout=subprocess.PIPE, text=True) as process:
        told = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        message = f"{words} ended with {process.returncode}"
        raise SystemExit(message)
    return told, seconds, usage.ru_utime + usage.ru_stime


def status() -> dict[str, Any]:
    """Return what `status --json` says."""
    return json.loads(client("status", "--json")[0])


def rows_of(what: str, limit: float | None) -> list[Row]:
    """Measure `status` now."""
    client("status")  # imports, connections
    taken = [client("status") for _ in range(SAMPLES)]
    return [
        row(f"status, {what}", [1000 * seconds for _, seconds, _ in taken], "ms", limit),
        row(f"status, {what}, core", [1000 * core for _, _, core in taken], "ms"),
    ]


def used(pid: int) -> Used:
    """Return what a process has used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    switches = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        told = (thread / "status").read_text()
        switches += int(told.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return Used(ticks / os.sysconf("SC_CLK_TCK"), switches)


def daemons() -> dict[str, int]:
    """Return the process ids of those that run."""
    seen = status()
    return {
        "scheduler": seen["scheduler"]["pid"],
        "servers": seen["host"]["pid"],
        "worker": seen["host"]["worker"]["pid"],
    }


def idle_rows() -> list[Row]:
    """Watch the daemons while nothing happens."""
    pids = daemons()
    time.sleep(SETTLE_SECONDS)
    before = {name: used(pid) for name, pid in pids.items()}
    time.sleep(IDLE)
    rows: list[Row] = []
    for name, pid in pids.items():
        now = used(pid)
        core = 100 * (now.processor - before[name].processor) / IDLE
        wakes = (now.switches - before[name].switches) / IDLE
        rows.append(row(f"idle for {IDLE:.0f} s, {name}: of a core", [core], "%"))
        rows.append(row(f"idle for {IDLE:.0f} s, {name}: wake-ups", [wakes], "/s"))
    return rows


@contextmanager
def daemons_up() -> Generator[Settings]:
    """Run the daemons in a fresh home."""
    with private_home() as settings:
        for role in ("scheduler", "servers"):
            ensure(role, settings)
        yield settings


def at_work(goals: Sequence[dict[str, Any]]) -> int:
    """Count the goals that have not ended."""
    return sum(goal["state"] in {"queued", "planning", "running", "verifying"} for goal in goals)


def main() -> None:
    """Measure, in homes of its own."""
    with daemons_up():
        rows = rows_of("idle", 150.0)
        empty = rows[0].median
        rows += idle_rows()
        for _ in range(GOALS):
            client("build", "--detach", GOAL)
        rows += rows_of(f"{GOALS} goals at work", 400.0)
        if not (left := at_work(status()["goals"])):
            print(
                "all goals had ended before the last sample: the rows of goals at work are too low"
            )
        print(f"{left} of the five newest goals were at work after the last sample")
    with private_home() as settings:
        finish_goals(FINISHED)
        for role in ("scheduler", "servers"):
            ensure(role, settings)
        rows += rows_of(f"{FINISHED} finished goals", 1.2 * empty)
    report("status", rows)


if __name__ == "__main__":
    main()
