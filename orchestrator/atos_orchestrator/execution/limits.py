"""How much one goal may use: time and model calls.

A limit is checked where something is about to be spent, inside a durable step, so that a replay
repeats the verdict instead of asking the clock again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atos_orchestrator.ports import Chat, Json, Reply
from atos_protocol.errors import LimitReachedError

MAX_SECONDS = 7200.0
MAX_MODEL_CALLS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What one goal may use."""

    seconds: float = MAX_SECONDS
    """From its submission to the start of its last step."""
    model_calls: int = MAX_MODEL_CALLS

    def check_time(self, submitted_at: float, now: float) -> None:
        """Refuse to begin anything after the goal's time is up.

        Raises:
            LimitReachedError: it is.
        """
        used = now - submitted_at
        if used > self.seconds:
            message = f"the goal has run for {used:.0f} s; its limit is {self.seconds:.0f} s"
            raise LimitReachedError(message, next_step="Start a smaller goal, or a goal per part.")

    def check_calls(self, used: int) -> None:
        """Refuse one more model call.

        Raises:
            LimitReachedError: the goal has made as many as it may.
        """
        if used >= self.model_calls:
            message = f"the goal has made {used} model calls; its limit is {self.model_calls}"
            raise LimitReachedError(message, next_step="Start a smaller goal, or a goal per part.")


@dataclass(frozen=True, slots=True)
class LimitedChat:
    """A model seam that counts; it answers until the goal's limit is reached."""

    chat: Chat
    limits: Limits
    submitted_at: float
    used: Callable[[], int]
    """How many calls the goal has made, over all its processes."""

    async def __call__(
        self,
        role: str,
        messages: Sequence[Json],
        *,
        pool: str,
        schema: Json | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Reply:
        """See `ports.Chat`.

        Raises:
            LimitReachedError: no more calls for this goal.
        """
        self.limits.check_time(self.submitted_at, time.time())
        self.limits.check_calls(self.used())
        return await self.chat(
            role,
            messages,
            pool=pool,
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
        )
