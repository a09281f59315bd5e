"""The model seam over the scheduler: one request, one lease."""

from __future__ import annotations

from collections.abc import Sequence

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.ports import Json, Reply
from atos_protocol.errors import LengthError
from atos_protocol.scheduler_api import POOL_PREFIX, Demand

CALL_SECONDS = 600.0
"""Longest that a call may take, its wait for a lease included."""


class ModelClient:
    """Asks the models of the pools on behalf of a goal, or of one of its tasks."""

    def __init__(self, scheduler: SchedulerClient, *, goal: str, task: str = "") -> None:
        self._scheduler = scheduler
        self._goal = goal
        self._task = task

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
        """See `ports.Chat`."""
        demand = Demand(
            goal=self._goal,
            task=self._task,
            role=role,
            deadline=CALL_SECONDS,
            expected_tokens=max_tokens,
        )
        answer = await self._scheduler.chat(
            f"{POOL_PREFIX}{pool}",
            messages,
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            demand=demand,
        )
        if answer.reason == "length":
            message = f"the reply of {answer.model} ran into its limit of {max_tokens} tokens"
            raise LengthError(message, next_step="Ask for less at once.")
        return Reply(
            text=answer.text,
            model=answer.model,
            engine=answer.engine,
            pool=answer.pool or pool,
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            started_at=answer.started_at,
            ended_at=answer.ended_at,
        )
