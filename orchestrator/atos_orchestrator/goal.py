"""A goal as people meet it: its text, its name, and the view of it that every client shows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from atos_orchestrator.task import TaskState
from atos_protocol.errors import BadRequestError

GoalState = Literal[
    "queued",
    "planning",
    "running",
    "verifying",
    "waiting",
    "success",
    "failed",
    "cancelled",
    "needs_help",
    "limit_reached",
]
GOAL_STATES: tuple[GoalState, ...] = get_args(GoalState)
TERMINAL: frozenset[GoalState] = frozenset(
    {"success", "failed", "cancelled", "needs_help", "limit_reached"}
)
"""States that a goal never leaves."""

MAX_GOAL_BYTES = 20_000
MAX_SLUG = 40

_WORD = re.compile(r"[a-z0-9]+")
_FILLER = frozenset(
    _WORD.findall(
        "a an and the to of in on for with that which this from by as is are it its be please write"
        " build make create me us python function program script using"
    )
)


def validate_goal(text: str) -> str:
    """Return a goal's text without surrounding space.

    Raises:
        BadRequestError: it is empty, longer than `MAX_GOAL_BYTES`, or holds control characters.
    """
    clean = text.strip()
    if not clean:
        message = "The goal is empty."
        raise BadRequestError(message, next_step="Say in one sentence what you want to have.")
    try:
        size = len(clean.encode())
    except UnicodeEncodeError as error:
        message = f"The goal holds a character that is no text, at position {error.start}."
        raise BadRequestError(message, next_step="Send it as valid Unicode.") from error
    if size > MAX_GOAL_BYTES:
        message = f"The goal has {size} bytes; at most {MAX_GOAL_BYTES} fit."
        step = "Put long material into files of the repository and name them in the goal."
        raise BadRequestError(message, next_step=step)
    for position, character in enumerate(clean):
        if unicodedata.category(character) == "Cc" and character not in "\n\t\r":
            message = f"The goal holds a control character ({character!r}) at position {position}."
            raise BadRequestError(message, next_step="Remove it.")
    return clean


def slug(text: str) -> str:
    """Return a short name for a goal: lower-case words and hyphens, never empty, a safe file name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words: list[str] = _WORD.findall(plain)
    telling = [word for word in words if word not in _FILLER] or words
    name = ""
    for word in telling:
        longer = f"{name}-{word}" if name else word[:MAX_SLUG]
        if len(longer) > MAX_SLUG:
            break
        name = longer
    return name or "goal"


@dataclass(frozen=True, slots=True)
class TaskView:
    """What a client shows of a task."""

    id: str
    title: str
    complexity: str
    state: TaskState = "pending"
    rounds: int = 0
    """Attempts after the first."""


@dataclass(frozen=True, slots=True)
class TestCounts:
    """Tests of the goal: of the final verification, or of the tasks while it runs."""

    __test__ = False

    passed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class GoalView:
    """What a client shows of a goal: a pure fold of its events (`events.fold`)."""

    id: str = ""
    goal: str = ""
    state: GoalState = "queued"
    repository: str = ""
    deployment_url: str = ""
    engine: str = ""
    models: tuple[str, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    tests: TestCounts = field(default_factory=TestCounts)
    seconds: float = 0.0
    """From the first event to the last one."""
    seq: int = 0
    """Sequence number of the newest event that this view contains."""
    summary: str = ""
    announcement: str = ""
    isolation: str = ""
    """Rung of the sandbox that ran the tests, in words."""
    uid: int | None = None
    interpreter: str = ""
    error: dict[str, str] | None = field(default=None, hash=False)
    """`code`, `message` and `next` of what ended the goal."""


def view_to_json(view: GoalView) -> dict[str, Any]:
    """Return the plain form of a view: the JSON that tools and `--json` show."""
    data = asdict(view)
    return data | {"models": list(view.models), "tasks": [asdict(task) for task in view.tasks]}


def view_from_json(data: Mapping[str, Any]) -> GoalView:
    """Rebuild a view that `view_to_json` wrote."""
    built: dict[str, Any] = {
        "models": tuple(data["models"]),
        "tasks": tuple(TaskView(**task) for task in data["tasks"]),
        "tests": TestCounts(**data["tests"]),
    }
    return GoalView(**(dict(data) | built))
