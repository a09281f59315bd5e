"""What callers of the goals facade send, and the pure checks of it: ids, keys and plans."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from atos_orchestrator.events import fold
from atos_orchestrator.execution.goal_reports import TaskPool
from atos_orchestrator.goal import slug
from atos_orchestrator.ports import Json
from atos_protocol.errors import BadRequestError, ConflictError
from atos_protocol.goals import Event, GoalView

MAX_KEY = 200
MAX_PLAN_TASKS = 50


def new_id() -> str:
    """Return an id for a goal that has no key."""
    return f"g{secrets.token_hex(5)}"


def id_of(key: str) -> str:
    """Return the id of the goal that belongs to a caller's key.

    Raises:
        BadRequestError: the key is too long.
    """
    if len(key) > MAX_KEY:
        message = f"the key has {len(key)} characters; at most {MAX_KEY} fit"
        raise BadRequestError(message, next_step="Use a shorter key, such as a hash.")
    return f"k{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def same_goal(events: Sequence[Event], text: str, key: str) -> GoalView:
    """Return the goal that a key stands for already.

    Raises:
        ConflictError: it is another one.
    """
    view = fold(events)
    if view.goal != text:
        message = f"the key {key[:80]!r} belongs to goal {view.id}: {view.goal[:80]!r}"
        raise ConflictError(message, next_step="Use a new key for a new task.")
    return view


def single_plan(text: str, pool: TaskPool) -> Json:
    """Return the plan of a goal that is one task."""
    title = text.splitlines()[0][:80]
    task: Json = {"id": "T1", "title": title, "contract": text}
    name = slug(text).replace("-", "_")
    task["files"] = [f"{name}.py"]
    if pool != "auto":
        task["complexity"] = pool
    return {"tasks": [task]}


def check_plan(plan: Mapping[str, Any] | None) -> None:
    """Check the outline of a plan that a caller made; its details are repaired later.

    Raises:
        BadRequestError: it is no list of tasks.
    """
    if plan is None:
        return
    tasks = plan.get("tasks")
    if not isinstance(tasks, list) or not 0 < len(tasks) <= MAX_PLAN_TASKS:  # pyright: ignore[reportUnknownArgumentType]
        message = f"a plan has between 1 and {MAX_PLAN_TASKS} tasks under `tasks`"
        raise BadRequestError(message, next_step="See plan_goal's result for the shape.")
