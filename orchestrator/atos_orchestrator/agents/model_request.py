"""The one request that every model call is, the reply to it, and the record that it was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from atos_orchestrator.ports import Emit, Json
from atos_protocol.errors import LengthError, NoModelError, RefusedError

Role = Literal["planner", "classifier", "coder", "checker", "tester", "writer", "reflector"]

PLANNING_POOL = "orchestrator"
CODING_POOLS = ("simple", "medium", "complex")
"""Weakest first: a task that fails in one pool is tried in the next."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One prompt, and the pool and options to send it with."""

    role: Role
    messages: Sequence[Json]
    pool: str
    schema: Json | None = None
    """JSON schema that the reply must follow; None for free text."""
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    begin: str = ""
    """The reply's beginning, written for the model: it goes on from there, and `Reply.text` contains it."""
    stop: tuple[str, ...] = ()
    """Texts that end the reply; they are not part of it."""
    may_be_cut: bool = False
    """Whether a reply that ran into its limit is of use: a list of assertions is, a file is not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer."""

    text: str
    model: str
    """The concrete model that answered."""
    engine: str
    pool: str
    prompt_tokens: int
    tokens: int
    started_at: float
    """Epoch seconds at which the engine began, after any wait for a lease."""
    ended_at: float
    cut: bool = False
    """Whether it ran into its limit, so that its last line may be incomplete."""
    reused_tokens: int = 0
    """Tokens of the prompt that the engine remembered; 0 where it does not say."""
    prompt_seconds: float = 0.0
    """Time to read the rest of the prompt."""
    seconds: float = 0.0
    """Time to write the reply."""
    queued: float = 0.0
    """Seconds that the request waited for its lease, a load included."""
    loading: float = 0.0
    """Those of them in which the model was loaded."""
    load_why: str = ""
    """The scheduler's reason, where it was loaded for this."""
    load_victims: tuple[str, ...] = ()
    """Models that had to go for it."""


Chat = Callable[[ModelRequest], Awaitable[Reply]]
"""Sends a request to a model of its pool.

Raises `LengthError` when the reply ran into `max_tokens` or repeated itself, `EmptyReplyError` when there
is none, and any other `AtosError` of the scheduler.
"""


def fallback_pools(pool: str) -> tuple[str, ...]:
    """Return the pools that may answer for one that has no model here, best first.

    A stronger model can do a weaker one's work, and a weaker one may at least try. Only coding pools
    have fallbacks.
    """
    if pool not in CODING_POOLS:
        return ()
    at = CODING_POOLS.index(pool)
    return (*CODING_POOLS[at + 1 :], *reversed(CODING_POOLS[:at]))


async def ask(
    chat: Chat,
    emit: Emit,
    request: ModelRequest,
    *,
    key: str,
    data: Mapping[str, Any] | None = None,
) -> Reply:
    """Send a request and emit `model_call` with its cost; emit `warning` if the reply is too long.

    Args:
        chat: reaches the models.
        emit: appends events.
        request: what to send.
        key: prefix of the events' keys; unique to this request.
        data: more fields for `model_call`.

    Raises:
        LengthError: the reply is incomplete.
        AtosError: whatever the scheduler answered.
    """
    try:
        reply = await _send_with_fallback(chat, emit, request, key)
    except LengthError as error:
        emit("warning", {"text": f"{request.role}: {error.message}"}, key=f"{key}:length")
        raise
    cost: Json = {
        "role": request.role,
        "pool": reply.pool or request.pool,
        "model": reply.model,
        "engine": reply.engine,
        "started_at": reply.started_at,
        "ended_at": reply.ended_at,
        "prompt_tokens": reply.prompt_tokens,
        "reused_tokens": reply.reused_tokens,
        "prompt_seconds": round(reply.prompt_seconds, 3),
        "tokens": reply.tokens,
        "seconds": round(reply.seconds, 3),
        "queued": round(reply.queued, 3),
        "loading": round(reply.loading, 3),
    }
    if reply.load_why:
        cost |= {"load_why": reply.load_why, "load_victims": list(reply.load_victims)}
    emit("model_call", cost | dict(data or {}), key=f"{key}:model_call")
    return reply


async def _send_with_fallback(chat: Chat, emit: Emit, request: ModelRequest, key: str) -> Reply:
    *others, last = (request.pool, *fallback_pools(request.pool))
    for pool in others:
        try:
            return await chat(replace(request, pool=pool))
        except (NoModelError, RefusedError) as error:
            text = f"{request.role}: pool {pool} can't answer ({error.message}); trying another one"
            emit("warning", {"text": text}, key=f"{key}:{pool}")
    return await chat(replace(request, pool=last))
