"""The ports of the orchestrator: what the pure parts and the graphs need from the world.

`planning`, `debugging` and `agents` depend on these only; `execution` supplies the durable ones,
tests supply plain ones.

Who does what: the graphs run each node as one step (their names: `planning.STEPS`, `debugging.STEPS`,
with a dot and numbers behind) and emit `plan_ready`, `model_call`, `code_written`, `syntax_checked`,
`tests_run`, `reflected` and `warning`. All other events are emitted by the workflows around them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class Steps(Protocol):
    """Runs one durable step: its result is recorded, so a replay returns it without running it."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run `work` under `name`; a step body is at-least-once, its effects carry keys."""
        ...


class Emit(Protocol):
    """Appends one event of the goal (or task) at hand."""

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append once per `key`: a repeated step does not double its event."""
        ...


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


class Chat(Protocol):
    """The model seam: one coroutine."""

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
        """Ask the model bound to a pool.

        Raises:
            LengthError: the reply ran into `max_tokens`.
            AtosError: whatever the scheduler answered.
        """
        ...


class Tools(Protocol):
    """Calls a tool of one of the MCP servers, within the given directories."""

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        """Return the tool's structured result.

        Raises:
            AtosError: the tool failed; the class comes from the error's code.
        """
        ...
