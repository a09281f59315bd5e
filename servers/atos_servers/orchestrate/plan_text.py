"""A plan as people read it: a line per task, or a diagram. Pure; nothing hidden passes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from atos_protocol.goals import Event, GoalView
from atos_protocol.printable import printable

MARKS = {"done": "✓ ", "failed": "✗ ", "running": "▸ ", "skipped": "- ", "cancelled": "- "}


def plan_lines(plan: Mapping[str, Any]) -> str:
    """Return a line per task of a plan as it is handed in."""
    return "\n".join(_line(task) for task in plan.get("tasks", []))


def _line(task: Mapping[str, Any]) -> str:
    after = ", ".join(task.get("depends_on", []))
    files = ", ".join(task.get("files", []))
    count = len(task.get("examples", []))
    said = [
        f"{task.get('id', '')} {task.get('title', '')}",
        f"[{files}]" if files else "",
        f"after {after}" if after else "",
        f"({count} example{'s' * (count != 1)})" if count else "",
    ]
    return printable(" ".join(filter(None, said)))


def mermaid(view: GoalView, events: Sequence[Event]) -> str:
    """Return a goal's plan as a Mermaid flowchart; each task says how it stands."""
    names = {task.id for task in view.tasks}
    lines = ["flowchart LR"]
    lines += [
        f'  {_name(task.id)}["{MARKS.get(task.state, "")}{task.id} {_label(task.title)}"]'
        for task in view.tasks
    ]
    for before, after in _edges(events):
        if {before, after} <= names:
            lines.append(f"  {_name(before)} --> {_name(after)}")
    return "\n".join(lines)


def _edges(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Return dependency and dependant, of the newest plan."""
    plans = [event.data for event in events if event.kind == "plan_ready"]
    rows: Sequence[Mapping[str, Any]] = plans[-1].get("tasks", []) if plans else []
    return [(str(need), str(row.get("id"))) for row in rows for need in row.get("depends_on", [])]


def _name(task_id: str) -> str:
    return re.sub(r"\W", "_", task_id)


def _label(title: str) -> str:
    """Return a title in which nothing is Mermaid's or HTML's own."""
    plain = printable(" ".join(title.split()))[:80]
    return re.sub(r"[^\w .,:()/+-]", lambda found: f"#{ord(found[0])};", plain)
