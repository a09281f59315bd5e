"""Runs inside the sandbox: one program against rows and calls, each cell on its own.

Reads `job.json` {program, name, rows: [[source, seconds]], calls: [source]} in its working directory and
writes one JSON text a line: how the program loads, then each row's outcome, then each call's value. A
cell may use that many seconds of CPU: on a busy machine a limit on wall time calls right programs wrong.
After `MOST_LATE` cells that ran out of it, the rest are taken for the same.
"""

from __future__ import annotations

import json
import math
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

MOST_LATE = 3
CALL_SECONDS = 1.0
MOST_CHARACTERS = 200


class Late(BaseException):
    """The cell's CPU time is used up."""


def even(value: object) -> object:
    """Return a value with its floats rounded, so that 0.1 + 0.2 equals 0.3."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if type(value) in {list, tuple}:
        items = cast("list[object] | tuple[object, ...]", value)
        return type(items)(map(even, items))
    if type(value) is dict:
        return {k: even(v) for k, v in cast("dict[object, object]", value).items()}
    return value


def same(one: Any, other: Any) -> bool:
    """Compare with a tolerance for floats."""
    if one == other or even(one) == even(other):
        return True
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers and math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)


def raises(error: type[BaseException], call: Callable[[], object]) -> bool:
    """Tell whether a call ends with this error."""
    try:
        call()
    except error:
        return True
    return False


def described(error: BaseException) -> str:
    """Return what went wrong in a line."""
    return f"error: {type(error).__name__}: {error}"[:MOST_CHARACTERS]


class Cells:
    """Runs cells, each in an empty folder and within its time."""

    def __init__(self) -> None:
        """Take alarms of CPU time."""
        self._late = 0
        self._home = Path.cwd()
        signal.signal(signal.SIGVTALRM, self._alarm)

    def _alarm(self, *_: object) -> None:
        raise Late

    def run(self, act: Callable[[], str], seconds: float) -> str:
        """Return what a cell gives, or why it gives nothing."""
        if self._late >= MOST_LATE:
            return "timeout"
        os.chdir(tempfile.mkdtemp(dir=self._home))
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            return act()
        except Late:
            self._late += 1
            return "timeout"
        except AssertionError:
            return "fail"
        except BaseException as error:  # noqa: BLE001 - SystemExit and all that a model may raise
            return described(error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def main() -> None:
    """Judge the program of the job."""
    job = json.loads(Path("job.json").read_text(encoding="utf-8"))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    cells, space = Cells(), {"__name__": "candidate", "raises": raises, "same_": same}

    def load() -> str:
        exec(compile(job["program"], "candidate.py", "exec"), space)  # noqa: S102
        return "" if job["name"] in space else f"{job['name']} is not defined"

    def row(source: str) -> str:
        exec(compile(source, "row", "exec"), dict(space))  # noqa: S102
        return "pass"

    def value(source: str) -> str:
        found = repr(even(eval(compile(source, "call", "eval"), dict(space))))
        return f"= {found}"[:MOST_CHARACTERS]

    def put(text: str) -> None:
        out.write(f"{json.dumps(text)}\n")
        out.flush()

    put(cells.run(load, CALL_SECONDS))
    for source, seconds in job["rows"]:
        put(cells.run(lambda source=source: row(source), seconds))
    for source in job["calls"]:
        put(cells.run(lambda source=source: value(source), CALL_SECONDS))


if __name__ == "__main__":
    main()
