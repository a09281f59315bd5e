"""A task: one small piece of work with one contract. Its states are in `atos_protocol.goals`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from atos_protocol.goals import Complexity

Kind = Literal["code", "test", "docs"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Task:
    """One node of a plan."""

    id: str
    """`T1`, `T2`, ..."""
    title: str
    kind: Kind = "code"
    files: tuple[str, ...] = ()
    """Paths that this task alone writes, relative to the repository."""
    depends_on: tuple[str, ...] = ()
    contract: str = ""
    """Exact signatures or routes that others may rely on."""
    acceptance: tuple[str, ...] = ()
    """Concrete input -> expected output."""
    reads: tuple[str, ...] = ()
    """Files of the tasks that it depends on; their signatures go into the prompts."""
    complexity: Complexity = "simple"
    """Picks the pool of the first attempt, and nothing else."""
    wanted: dict[str, Any] | None = field(default=None, hash=False)
    """What the catalogue of atos-mini is asked for (family and slots); None outside of it."""


def task_to_json(task: Task) -> dict[str, Any]:
    """Return the plain form of a task."""
    return {
        "id": task.id,
        "title": task.title,
        "kind": task.kind,
        "files": list(task.files),
        "depends_on": list(task.depends_on),
        "contract": task.contract,
        "acceptance": list(task.acceptance),
        "reads": list(task.reads),
        "complexity": task.complexity,
        "wanted": task.wanted,
    }


def task_from_json(data: Mapping[str, Any]) -> Task:
    """Rebuild a task that `task_to_json` wrote; missing fields take their defaults."""
    return Task(
        id=data["id"],
        title=data["title"],
        kind=data.get("kind", "code"),
        files=tuple(data.get("files", ())),
        depends_on=tuple(data.get("depends_on", ())),
        contract=data.get("contract", ""),
        acceptance=tuple(data.get("acceptance", ())),
        reads=tuple(data.get("reads", ())),
        complexity=data.get("complexity", "simple"),
        wanted=data.get("wanted"),
    )


def test_file(task: Task) -> str:
    """Return where the tests of a code task lie; an empty text for other kinds.

    The whole path goes into the name, so modules of one name in two folders don't share a file.
    """
    modules = [file for file in task.files if file.endswith(".py")]
    if task.kind != "code" or not modules:
        return ""
    return f"tests/test_{modules[0].removesuffix('.py').replace('/', '_')}.py"


def owned_files(task: Task) -> tuple[str, ...]:
    """Return everything that a task alone may write: its files and its tests."""
    tests = test_file(task)
    return (*task.files, tests) if tests and tests not in task.files else task.files
