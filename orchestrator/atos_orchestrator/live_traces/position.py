"""How far traces were sent: a small file, so that a place that was away gets everything once it is back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

FILE = "traces.json"


@dataclass(frozen=True, slots=True)
class Position:
    """What was sent so far."""

    to: str = ""
    seq: int = 0
    """Number of the newest landmark that was looked at."""
    waiting: tuple[str, ...] = ()
    """Goals that are known and not sent whole yet, oldest first."""
    failing_since: float = 0.0
    """Epoch seconds; 0 while all is well."""
    error: str = ""
    """Why nothing can be sent, with the next step."""

    def add(self, goal: str, seq: int) -> Position:
        """Return the position after a landmark of a goal."""
        known = self.waiting if goal in self.waiting else (*self.waiting, goal)
        return replace(self, seq=seq, waiting=known)

    def without(self, goal: str) -> Position:
        """Return the position after a goal was sent whole."""
        return replace(self, waiting=tuple(each for each in self.waiting if each != goal))


def load(path: Path) -> Position | None:
    """Return the position in a file; None where there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
        found["waiting"] = tuple(map(str, found["waiting"]))
        return Position(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, position: Position) -> None:
    """Replace the file; whoever reads it meanwhile has the old one or the new one."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(asdict(position)), encoding="utf-8")
    beside.replace(path)
