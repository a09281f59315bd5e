"""What callers of `goals.Goals` send and get, and the pure checks of ids, keys and plans."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

from atos_orchestrator.events import fold
from atos_protocol.errors import BadRequestError, ConflictError
from atos_protocol.goals import Event, GoalView

TaskPool = Literal["auto", "simple", "medium", "complex"]
Notify = Callable[[dict[str, Any]], Awaitable[None]]
Progress = Callable[[GoalView], Awaitable[None]]

MAX_KEY = 200
MAX_PLAN_TASKS = 50


class EventWaiter(Protocol):
    """Wakes whoever waits for a goal's next event."""

    async def wait(self, goal: str, after_seq: int, seconds: float) -> bool:
        """Return True when an event came, False when the time passed first."""
        ...


def new_id() -> str:
    """Return an id for a goal that has no key."""
    return f"g{secrets.token_hex(5)}"


def id_of(key: str) -> str:
    """Return the id of the goal that a caller's key stands for.

    Raises:
        BadRequestError: the key is too long.
    """
    if len(key) > MAX_KEY:
        message = f"the key has {len(key)} characters; at most {MAX_KEY} fit"
        raise BadRequestError(message, next_step="Use a shorter key, such as a hash.")
    return f"k{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def same_goal(events: Sequence[Event], text: str, key: str) -> GoalView:
    """Return the existing goal of a key, given its events.

    Raises:
        ConflictError: the key belongs to another text.
    """
    view = fold(events)
    if view.goal != text:
        message = f"the key {key[:80]!r} belongs to goal {view.id}: {view.goal[:80]!r}"
        raise ConflictError(message, next_step="Use a new key for a new task.")
    return view


def check_plan(plan: Mapping[str, Any] | None, tests: str) -> None:
    """Check the outline of a plan that a caller made; its details are repaired later.

    Raises:
        BadRequestError: it is not a list of tasks, or there are tests beside it.
    """
    if plan is None:
        return
    if tests:
        message = "a goal has either a plan or tests: nobody could tell whose tests they are"
        raise BadRequestError(message, next_step="Put them into the plan: each task has `tests`.")
    tasks = plan.get("tasks")
    if not isinstance(tasks, list) or not 0 < len(cast("list[Any]", tasks)) <= MAX_PLAN_TASKS:
        message = f"a plan has between 1 and {MAX_PLAN_TASKS} tasks under `tasks`"
        raise BadRequestError(message, next_step="See plan_goal's result for the shape.")
