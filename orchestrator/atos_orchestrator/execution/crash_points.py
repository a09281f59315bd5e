"""The named points of goals at which the kill tests kill any of the three daemons, not only this one.

`atos_protocol.crash_points` lets a process kill itself, once per home. Recovery from a killed host or
scheduler must be tried at the same points, repeatedly, with daemons that are already up. So with
ATOS_STRIKES naming a file, a point checks whether the file names it, and kills the given daemon:

    <point> worker|servers|scheduler

The file is renamed first, so that it is used once, and its new name shows that it was. Without
ATOS_STRIKES, which only the tests set, a point costs two comparisons.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.daemons import connect, peer_pid
from atos_protocol.settings import load_settings

GOAL_STEPS = (
    "intake",
    "brief",
    "decompose",
    "repair",
    "classify",
    "advance",
    "integrate",
    "verify",
    "record",
    "aggregate",
)
TASK_STEPS = (
    "worktree",
    "examples",
    "sample",
    "check",
    "evaluate",
    "testers",
    "names",
    "select",
    "repair",
    "test",
    "finish",
    "ask",
    "commit",
    "look",
)
STEP_POINTS = [
    declare(f"{kind}.{step}.{side}")
    for kind, steps in (("goal", GOAL_STEPS), ("task", TASK_STEPS))
    for step in steps
    for side in ("before", "after")
]
"""Before the work of every durable step, and after it: done, but not recorded yet."""

SUBMIT_POINTS = [declare("host.submit.before"), declare("host.submit.after")]
"""In the host, around the transaction that accepts a goal."""

START_POINTS = [declare("worker.recovered"), declare("worker.ready")]
"""In the worker, when it has taken over its predecessor's runs, and when it has told its host that it is ready."""

STRUCK = ".struck"

_file = os.environ.get("ATOS_STRIKES", "")


def point(name: str) -> None:
    """Be killed here, or kill a daemon, if a test has asked for it."""
    crashpoint(name)
    if _file:
        _strike(Path(_file), name)


def _strike(file: Path, name: str) -> None:
    try:
        where, _, target = file.read_text().partition(" ")
        if where != name:
            return
        file.rename(file.with_suffix(STRUCK))
    except OSError:  # there is none; or no descriptor, which is a fault of another test
        return
    os.kill(_pid(target.strip()), signal.SIGKILL)


def _pid(target: str) -> int:
    """Return the process to kill: this one, or the daemon that answers for this home."""
    if target != "servers" and target != "scheduler":
        return os.getpid()
    with connect(target, load_settings()) as connection:
        return peer_pid(connection)
