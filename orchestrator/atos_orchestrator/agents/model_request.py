"""Asks a model and records that it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atos_orchestrator.agents.roles import Role, stand_ins
from atos_orchestrator.ports import Chat, Emit, Json, Reply
from atos_protocol.errors import LengthError, NoModelError, RefusedError


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One prompt, ready to be sent."""

    role: Role
    messages: Sequence[Json]
    pool: str
    schema: Json | None = None
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0


async def ask(
    chat: Chat,
    emit: Emit,
    question: ModelRequest,
    *,
    key: str,
    data: Mapping[str, Any] | None = None,
) -> Reply:
    """Send a question; emit `model_call` with what it took, or why its reply is of no use.

    Raises:
        LengthError: the reply is incomplete.
        AtosError: whatever the scheduler answered.
    """
    try:
        reply = await _first_that_can(chat, emit, question, key)
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


async def _first_that_can(chat: Chat, emit: Emit, question: ModelRequest, key: str) -> Reply:
    """Ask the pool that is meant, or those that may stand in where it has no fitting model."""
    *others, last = (question.pool, *stand_ins(question.pool))
    for pool in others:
        try:
            return await _send(chat, question, pool)
        except (NoModelError, RefusedError) as error:
            text = (
                f"{question.role}: pool {pool} can't answer ({error.message}); another one is asked"
            )
            emit("warning", {"text": text}, key=f"{key}:{pool}")
    return await _send(chat, question, last)


async def _send(chat: Chat, question: ModelRequest, pool: str) -> Reply:
    return await chat(
        question.role,
        question.messages,
        pool=pool,
        schema=question.schema,
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        seed=question.seed,
    )
