"""What became of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The explicit outcome of a debug loop, written by its last step."""

    outcome: Literal["done", "needs_help"]
    rounds: int
    """Attempts after the first."""
    files: tuple[str, ...] = ()
    """What to commit, relative to the worktree."""
    passed: int = 0
    failed: int = 0
    """Tests of the last attempt."""
    pool: str = ""
    model: str = ""
    engine: str = ""
    isolation: str = ""
    uid: int | None = None
    interpreter: str = ""
    digest: str = ""
    """With `needs_help`: what failed, in at most 40 lines."""


def result_to_json(result: TaskResult) -> dict[str, Any]:
    """Return the plain form of a result."""
    return asdict(result) | {"files": list(result.files)}


def result_from_json(data: Mapping[str, Any]) -> TaskResult:
    """Rebuild a result that `result_to_json` wrote."""
    files: dict[str, Any] = {"files": tuple(data["files"])}
    return TaskResult(**(dict(data) | files))
