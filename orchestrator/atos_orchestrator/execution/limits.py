"""How much one goal may use: time and model calls.

A limit is checked where something is about to be spent, inside a durable step, so that a replay
repeats the verdict instead of reading the clock again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from atos_orchestrator.agents.model_request import Chat, ModelRequest, Reply
from atos_protocol.errors import LimitReachedError

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
class LimitedChat:
    """Implements `Chat` until the goal's limits are reached."""

    chat: Chat
    limits: Limits
    submitted_at: float
    used: Callable[[], int]
    """How many calls the goal has made, over all its processes."""

    async def __call__(self, request: ModelRequest) -> Reply:
        """Pass a request on.

        Raises:
            LimitReachedError: no more calls for this goal.
        """
        self.limits.check(seconds=time.time() - self.submitted_at, model_calls=self.used())
        return await self.chat(request)
