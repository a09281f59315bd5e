"""What an evaluation is about: one file that the host writes and the evaluator reads and removes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PLAN = "plan.json"
"""In the scratch folder; gone before any code runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate. Candidate number n is the folder of that name below the job's."""

    candidates: tuple[int, ...]
    modules: tuple[tuple[str, ...], ...]
    """For each candidate: the modules whose names its assertions may use."""
    assertions: tuple[str, ...]
    calls: tuple[str, ...]

    def to_json(self) -> str:
        """Return the text of the plan's file."""
        return json.dumps(asdict(self))


def read_plan(scratch: str) -> Plan:
    """Read the plan and remove its file."""
    file = Path(scratch, PLAN)
    raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    modules = tuple(tuple(names) for names in raw["modules"])
    return Plan(tuple(raw["candidates"]), modules, tuple(raw["assertions"]), tuple(raw["calls"]))
