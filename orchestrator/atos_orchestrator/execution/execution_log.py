"""The timed log of a goal: its events as a page for people, in `logs/goals/<goal>.md`.

The execution log inside the repository has no times, so that an interrupted goal leaves the same tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atos_orchestrator.events import fold
from atos_protocol.goals import Event
from atos_protocol.printable import printable


def execution_log(events: Iterable[Event]) -> str:
    """Return the page of a goal; an empty text before its first event."""
    ordered = sorted(events, key=lambda event: event.seq)
    if not ordered:
        return ""
    view, first = fold(ordered), ordered[0].at
    began = datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds")
    head = [f"# {printable(view.goal.splitlines()[0]) if view.goal else view.id}", ""]
    head += [f"Goal `{view.id}`, started {began}, {view.state} after {view.seconds:.1f} s.", ""]
    head += ["| s | task | event | details |", "|--:|---|---|---|"]
    rows = [
        f"| {event.at - first:.2f} | {event.task or ''} | {event.kind} | {_details(event.data)} |"
        for event in ordered
    ]
    return "\n".join([*head, *rows]) + "\n"


def _details(data: Mapping[str, Any]) -> str:
    shown = dict(data)
    began, ended = shown.pop("started_at", None), shown.pop("ended_at", None)
    if isinstance(began, int | float) and isinstance(ended, int | float):
        shown["duration"] = f"{ended - began:.2f} s"
    parts = (f"{name}: {_short(value)}" for name, value in shown.items() if value not in ("", None))
    return ", ".join(parts)


def _short(value: object) -> str:
    text = printable(" ".join(str(value).split())).replace("|", "\\|")
    return text if len(text) <= 160 else f"{text[:160]}…"


def write_execution_log(logs: Path, goal: str, events: Iterable[Event]) -> Path:
    """Write a goal's page below the log folder, atomically; return where it is."""
    page = logs / "goals" / f"{goal}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    fresh = page.with_suffix(".new")
    fresh.write_text(execution_log(events), encoding="utf-8")
    return fresh.replace(page)
