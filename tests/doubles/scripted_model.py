"""Models played from a script: replies and exceptions, in order, by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atos_orchestrator.agents.model_request import ModelRequest, Reply


class ScriptEndedError(AssertionError):
    """A role was asked more often than its script has replies."""


@dataclass(slots=True)
class ScriptedChat:
    """Answers each role from its own queue; a reply that is an exception is raised."""

    replies: Mapping[str, Sequence[str | Exception]]
    model: str = "scripted"
    asked: list[ModelRequest] = field(default_factory=list[ModelRequest])

    async def __call__(self, request: ModelRequest) -> Reply:
        """Return the role's next reply.

        Raises:
            ScriptEndedError: there is none left.
        """
        at = sum(call.role == request.role for call in self.asked)
        queue = self.replies.get(request.role, ())
        if at >= len(queue):
            message = (
                f"{request.role} was asked {at + 1} times; its script has {len(queue)} replies"
            )
            raise ScriptEndedError(message)
        self.asked.append(request)
        reply = queue[at]
        if isinstance(reply, Exception):
            raise reply
        moment = float(len(self.asked))
        size = sum(len(str(message["content"])) for message in request.messages) // 4
        tokens = min(len(reply) // 4, request.max_tokens)
        return Reply(
            reply, self.model, "scripted", request.pool, size, tokens, moment, moment + 0.5
        )

    @property
    def unused(self) -> dict[str, int]:
        """Role -> replies that nobody asked for."""
        left = {
            role: len(queue) - sum(call.role == role for call in self.asked)
            for role, queue in self.replies.items()
        }
        return {role: count for role, count in left.items() if count}
