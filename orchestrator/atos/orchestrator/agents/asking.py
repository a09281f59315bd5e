"""Asks a model and records that it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atos.orchestrator.agents.roles import Role
from atos.orchestrator.ports import Chat, Emit, Json, Reply
from atos.scheduler.errors import LengthError


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, ready to be sent."""

    role: Role
    messages: Sequence[Json]
    pool: str
    schema: Json | None = None
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0


async def ask(
    chat: Chat, emit: Emit, question: Question, *, key: str, data: Mapping[str, Any] | None = None
) -> Reply:
    """Send a question; emit `model_call` with what it took, or why its reply is of no use.

    Raises:
        LengthError: the reply is incomplete.
        AtosError: whatever the scheduler answered.
    """
    try:
        reply = await chat(
            question.role,
            question.messages,
            pool=question.pool,
            schema=question.schema,
            max_tokens=question.max_tokens,
            temperature=question.temperature,
            seed=question.seed,
        )
    except LengthError as error:
        emit("warning", {"text": f"{question.role}: {error.message}"}, key=f"{key}:length")
        raise
    took: Json = {
        "role": question.role,
        "pool": reply.pool or question.pool,
        "model": reply.model,
        "engine": reply.engine,
        "started_at": reply.started_at,
        "ended_at": reply.ended_at,
        "prompt_tokens": reply.prompt_tokens,
        "tokens": reply.tokens,
    }
    emit("model_call", took | dict(data or {}), key=f"{key}:model_call")
    return reply
