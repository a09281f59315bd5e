"""Model requests over the scheduler: one request, one lease."""

from __future__ import annotations

from dataclasses import dataclass

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.agents.model_request import ModelRequest, Reply
from atos_protocol.errors import EmptyReplyError, LengthError
from atos_protocol.scheduler_api import POOL_PREFIX, Demand

SEED_STEP = 1000
"""More than the seeds that one goal uses."""
CALL_SECONDS = 600.0
"""Longest that a call may take, including its wait for a lease."""


@dataclass(frozen=True, slots=True)
class ModelClient:
    """Implements `Chat` for a goal, or for one of its tasks."""

    scheduler: SchedulerClient
    goal: str
    task: str = ""
    seed: int = 0
    """Added to every request's own, so that a goal can be tried with other samples."""

    async def __call__(self, request: ModelRequest) -> Reply:
        """Return the answer of a model in the request's pool; see `Chat` for the errors."""
        answer = await self.scheduler.chat(
            f"{POOL_PREFIX}{request.pool}",
            request.messages,
            schema=request.schema,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed + SEED_STEP * self.seed,
            begin=request.begin,
            stop=request.stop,
            demand=Demand(
                goal=self.goal,
                task=self.task,
                role=request.role,
                deadline=CALL_SECONDS,
                expected_tokens=request.max_tokens,
            ),
        )
        cut = answer.reason == "length"
        if cut and not request.may_be_cut:
            message = (
                f"the reply of {answer.model} ran into its limit of {request.max_tokens} tokens"
            )
            raise LengthError(message, next_step="Ask for less at once.")
        if answer.text.strip() == request.begin.strip():
            message = f"{answer.model} wrote nothing ({answer.tokens} tokens)"
            raise EmptyReplyError(message, next_step="Ask another way, or another model.")
        return Reply(
            text=answer.text,
            model=answer.model,
            engine=answer.engine,
            pool=answer.pool or request.pool,
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            cut=cut,
            started_at=answer.started_at,
            ended_at=answer.ended_at,
            reused_tokens=answer.reused_tokens,
            prompt_seconds=answer.prompt_seconds,
            seconds=answer.seconds,
            queued=answer.queued,
            loading=answer.loading,
            load_why=answer.load_why,
            load_victims=answer.load_victims,
        )
