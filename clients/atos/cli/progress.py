"""Live progress: a small block that is redrawn on a terminal, plain lines when piped, or JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from atos.cli.event_lines import event_line
from atos.cli.formatting import MARKS, cut, hung
from atos.cli.goal_report import (
    TASK_WIDTH,
    goal_report,
    question_text,
    queue_text,
    result_object,
    task_table,
)
from atos_protocol.goals import FINAL_GOAL_STATES

Json = Mapping[str, Any]
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


ROWS_BESIDE = 4
"""Rows of the terminal that the tasks leave free: the goal's line, the last event, the prompt, one to spare."""
FEWEST = 4
"""Tasks that are shown at the end, however low the terminal is."""
MOST_REASONS = 3
"""Lines of evidence, and of reasons, at the end of a goal on a terminal; `explain` has them all."""
FIRST = ("running", "failed", "queued", "pending", "skipped", "cancelled", "done")
"""Which tasks are shown where there is no room for all, the most telling first."""


def shown_tasks(tasks: Sequence[Json], rows: int, width: int = TASK_WIDTH) -> list[str]:
    """Return the lines of the tasks that fit into so many rows; the others are counted in the last one.

    What asks something and what runs comes first, in the plan's order.
    """
    rows = max(rows, 1)
    if len(tasks) <= rows:
        return task_table(tasks, width)
    asks = [bool(question_text(task)) for task in tasks]
    order = {state: at for at, state in enumerate(FIRST)}
    ranked = sorted(
        range(len(tasks)),
        key=lambda at: (
            not asks[at],
            order.get(tasks[at]["state"], len(FIRST)),
            at if tasks[at]["state"] != "done" else -at,
        ),
    )
    kept = sorted(ranked[: rows - 1])
    left = [tasks[at]["state"] for at in sorted(ranked[rows - 1 :])]
    counts = ", ".join(f"{left.count(state)} {state}" for state in FIRST if state in left)
    return [*task_table([tasks[at] for at in kept], width), f"  … and {len(left)} more: {counts}"]


class Progress(Protocol):
    """Where the progress of a goal goes."""

    refresh: float
    """Seconds between redraws; how long one wait for events may last."""

    asks: bool
    """Whether a person is there who can be asked."""

    def update(self, view: Json, events: Sequence[Json]) -> None:
        """Show new events and the goal as it stands."""
        ...

    def keep(self, below: int = 0) -> None:
        """Leave what is shown where it is, because so many lines are about to be printed below it."""
        ...

    def finish(self, view: Json) -> None:
        """Show the outcome."""
        ...


class JsonLines:
    """One JSON object a line: every event, then the result."""

    refresh = 20.0
    asks = False

    def update(self, view: Json, events: Sequence[Json]) -> None:
        """Print each event."""
        for event in events:
            print(json.dumps(event), flush=True)

    def keep(self, below: int = 0) -> None:
        """Nothing is redrawn."""

    def finish(self, view: Json) -> None:
        """Print the result object."""
        print(json.dumps(result_object(view)), flush=True)


class PlainLines:
    """One line an event, for pipes and logs."""

    refresh = 20.0
    asks = False

    def update(self, view: Json, events: Sequence[Json]) -> None:
        """Print each event."""
        for event in events:
            print(event_line(event), flush=True)

    def keep(self, below: int = 0) -> None:
        """Nothing is redrawn."""

    def finish(self, view: Json) -> None:
        """Print the report."""
        print("\n".join(goal_report(view)), flush=True)


class Live:
    """A block at the bottom of the terminal, redrawn in place; announcements stay above it."""

    refresh = 0.2

    def __init__(self) -> None:
        self.asks = sys.stdin.isatty()
        self._drawn = 0
        self._frame = 0
        self._last = ""
        self._view: Json = {}

    def update(self, view: Json, events: Sequence[Json]) -> None:
        """Redraw the block; what must not be missed is printed above it for good."""
        self._frame += 1
        self._view = view
        kept = [event_line(e) for e in events if e["kind"] in {"announcement", "warning"}]
        if events:
            self._last = event_line(events[-1])
        self._draw(kept, self._block(view, 0))

    def _block(self, view: Json, below: int) -> list[str]:
        """Return the goal's line, as many tasks as there is room for, and what happened last."""
        over = view["state"] in FINAL_GOAL_STATES or view["state"] == "paused"
        spin = MARKS[view["state"]] if over else SPINNER[self._frame % len(SPINNER)]
        head = f"{spin} {view['state']} {float(view.get('seconds') or 0):.0f} s"
        if waits := queue_text(view):
            head += f", {waits}"
        if view["state"] == "paused":
            head += f", go on: atos-client resume {view['id']}"
        width, lines = shutil.get_terminal_size()
        shown = shown_tasks(view.get("tasks", []), lines - ROWS_BESIDE - below, width - 1)
        return [head, *shown, f"  {self._last}"]

    def keep(self, below: int = 0) -> None:
        """Make room for what comes below, and draw the next block below that."""
        if self._view:
            self._draw([], self._block(self._view, below))
        self._drawn = 0

    def finish(self, view: Json) -> None:
        """Replace the block by the report, as high as the terminal at most."""
        width, rows = shutil.get_terminal_size()
        beside = len(hung(goal_report(view, [], MOST_REASONS), width - 1)) + 1
        shown = shown_tasks(view.get("tasks", []), max(rows - beside, FEWEST), width - 1)
        self._draw(goal_report(view, shown, MOST_REASONS), [])

    def _draw(self, above: Sequence[str], block: Sequence[str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        body = [cut(line, width) for line in block]
        # line by line: erasing the whole screen at once, a terminal keeps it in its history each time
        text = up + "".join(f"{line}\x1b[K\n" for line in [*hung(above, width), *body]) + "\x1b[J"
        sys.stdout.write(text)
        sys.stdout.flush()
        self._drawn = len(body)


def progress(*, as_json: bool) -> Progress:
    """Choose by what standard output is."""
    if as_json:
        return JsonLines()
    return Live() if sys.stdout.isatty() else PlainLines()
