"""The argument of a goal's run: the goal as it was accepted, with everything that was decided then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atos_protocol.errors import LimitReachedError
from atos_protocol.scheduler_api import Pool

GOAL, TASK, PLAN = "goal", "task", "plan"
"""Names of the workflows in the durable runtime; here, because whoever submits one needs no more."""

FINISHED = "goal:goal_finished:end"
"""Key of a goal's last event: the first process to record an end decides it."""


MAX_SECONDS = 7200.0
MAX_MODEL_CALLS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What one goal may use."""

    seconds: float = MAX_SECONDS
    """From its submission to the start of its last step."""
    model_calls: int = MAX_MODEL_CALLS

    def check(self, *, seconds: float, model_calls: int) -> None:
        """Refuse one more model call when the goal has used this much.

        Raises:
            LimitReachedError: a limit is reached.
        """
        if seconds > self.seconds:
            used = f"run for {seconds:.0f} s; its limit is {self.seconds:.0f} s"
        elif model_calls >= self.model_calls:
            used = f"made {model_calls} model calls; its limit is {self.model_calls}"
        else:
            return
        message = f"the goal has {used}"
        raise LimitReachedError(message, next_step="Start a smaller goal, or a goal per part.")


@dataclass(frozen=True, slots=True)
class GoalInput:
    """The argument of a goal's run."""

    goal: str
    """Its id."""
    text: str
    slug: str
    strategy: str
    """Name of the strategy in `strategies.registry`."""
    submitted_at: float
    """Epoch seconds; the goal's commits carry this moment."""
    into: str | None = None
    engine: str = ""
    models: tuple[str, ...] = ()
    announcement: str = ""
    scope: dict[str, Any] | None = field(default=None, hash=False)
    """What the strategy found out about the goal when it was accepted."""
    plan: Mapping[str, Any] | None = field(default=None, hash=False)
    """A plan handed in by the caller."""
    examples: tuple[str, ...] = ()
    """Assertions that the caller gave, beside those in the text."""
    tests: str = ""
    """Text of a pytest file that the caller gave; such a goal is one task."""
    pools: tuple[Pool, ...] = ()
    """The pools as they were when it was accepted."""
    limits: Limits = field(default_factory=Limits)
