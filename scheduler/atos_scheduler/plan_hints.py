"""Published plans: hints with a time to live, accepted and listed; the core gets them as steps (`plan_steps.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atos_protocol.errors import BusyError, ConflictError, NotFoundError
from atos_protocol.scheduler_api import PlanHint

MOST = 1000
"""Goals whose plans are kept at once."""


@dataclass(frozen=True, slots=True)
class _Kept:
    hint: PlanHint
    until: float


class PlanHints:
    """The newest plan of every goal that publishes one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, _Kept] = {}

    def put(self, goal: str, hint: PlanHint) -> None:
        """Keep a plan for `hint.ttl` seconds; the same revision again renews it.

        Raises:
            ConflictError: a newer revision is known.
            BusyError: plans of too many goals are kept.
        """
        self._expire()
        known = self._kept.get(goal)
        if known is not None and hint.revision < known.hint.revision:
            message = f"revision {hint.revision} of {goal} is older than {known.hint.revision}"
            raise ConflictError(message, next_step="Publish the newest revision.")
        if known is None and len(self._kept) >= MOST:
            message = f"plans of {MOST} goals are kept already"
            raise BusyError(message, next_step="Go on without: a plan is only a hint.")
        self._kept[goal] = _Kept(hint, self._now() + hint.ttl)

    def get(self, goal: str) -> PlanHint:
        """Return a goal's plan.

        Raises:
            NotFoundError: there is none, or its time is over.
        """
        self._expire()
        if (kept := self._kept.get(goal)) is None:
            message = f"no plan of goal {goal} is known"
            raise NotFoundError(
                message, next_step="A goal has one while it works. See GET /atos/v1/status."
            )
        return kept.hint

    def drop(self, goal: str) -> None:
        """Forget a goal's plan; nothing happens if there is none."""
        self._kept.pop(goal, None)

    def goals(self) -> tuple[str, ...]:
        """Return the goals whose plans are known."""
        self._expire()
        return tuple(self._kept)

    def _expire(self) -> None:
        now = self._now()
        self._kept = {goal: kept for goal, kept in self._kept.items() if kept.until > now}
