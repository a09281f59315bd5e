"""The model seam played from a script: replies and exceptions, in order, by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atos_orchestrator.ports import Json, Reply


class ScriptEndedError(AssertionError):
    """A role was asked more often than its script has replies."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call that a scripted model got."""

    role: str
    messages: Sequence[Json]
    pool: str
    schema: Json | None
    temperature: float
    seed: int


@dataclass(slots=True)
class ScriptedChat:
    """Answers each role from its own queue; a reply that is an exception is raised."""

    replies: Mapping[str, Sequence[str | Exception]]
    model: str = "scripted"
    asked: list[Asked] = field(default_factory=list[Asked])

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
        """Return the role's next reply.

        Raises:
            ScriptEndedError: there is none left.
        """
        at = sum(call.role == role for call in self.asked)
        queue = self.replies.get(role, ())
        if at >= len(queue):
            message = f"{role} was asked {at + 1} times; its script has {len(queue)} replies"
            raise ScriptEndedError(message)
        self.asked.append(Asked(role, messages, pool, schema, temperature, seed))
        reply = queue[at]
        if isinstance(reply, Exception):
            raise reply
        moment = float(len(self.asked))
        size = sum(len(str(message["content"])) for message in messages) // 4
        tokens = min(len(reply) // 4, max_tokens)
        return Reply(reply, self.model, "scripted", pool, size, tokens, moment, moment + 0.5)

    @property
    def unused(self) -> dict[str, int]:
        """Role -> replies that nobody asked for."""
        left = {
            role: len(queue) - sum(call.role == role for call in self.asked)
            for role, queue in self.replies.items()
        }
        return {role: count for role, count in left.items() if count}
