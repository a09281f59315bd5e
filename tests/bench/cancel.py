"""`make bench NAME=cancel`: from the request to cancel a goal at work until no process of it lives."""

from __future__ import annotations

import json
import os
import time

from bench.table import report, row
from doubles.installation import Installation

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
PATIENCE = 10.0


def cancelled(atos: Installation, idle: list[str], work: float) -> float:
    """Start a goal, let it work for so many seconds, cancel it; return how long that took.

    Raises:
        SystemExit: the goal had ended before, or left a process behind.
    """
    goal = json.loads(atos.run("build", "--detach", "--json", GOAL).stdout)["id"]
    time.sleep(work)
    start = time.perf_counter()
    state = json.loads(atos.run("cancel", "--json", goal).stdout)["state"]
    while sorted(atos.processes()) != idle:
        if time.perf_counter() - start > PATIENCE:
            message = f"left behind: {set(atos.processes()) - set(idle)}"
            raise SystemExit(message)
        time.sleep(0.01)
    if state != "cancelled":
        message = f"the goal was {state} before it could be cancelled: work less than {work} s"
        raise SystemExit(message)
    return time.perf_counter() - start


def main() -> None:
    """Measure in a home of its own, with warm daemons."""
    atos = Installation()
    try:
        atos.build(GOAL)
        idle = sorted(atos.processes())
        samples = [cancelled(atos, idle, 0.4 + 0.15 * number) for number in range(ROUNDS)]
    finally:
        atos.close()
    report("cancel", [row("cancel until no process of the goal lives", samples, "s ", 1.0)])


if __name__ == "__main__":
    main()
