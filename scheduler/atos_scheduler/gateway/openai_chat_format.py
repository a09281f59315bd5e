"""OpenAI's formats of `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.generation import GenerationStarted
from atos_scheduler.gateway.ollama_format import about
from atos_scheduler.gateway.reply_format import (
    COMMENT,
    SSE,
    NamedCall,
    Outcome,
    event,
    new_id,
    openai_error,
)
from atos_scheduler.gateway.responses import Json

DONE = b"data: [DONE]\n\n"
Kind = Literal["chat", "text"]


@dataclass(slots=True)
class OpenAiFormat:
    """Writes one chat or text completion."""

    kind: Kind
    usage_at_end: bool = False
    """Whether a stream ends with an event that has the counters (`stream_options`)."""
    prefix: str = ""
    """What stands before the reply: the prompt, where `echo` asks for it."""
    media: str = SSE
    _head: Json = field(default_factory=dict[str, Any])

    def waiting(self) -> bytes:
        """Return a comment."""
        return COMMENT

    def start(self, started: GenerationStarted) -> bytes:
        """Return the event with the role."""
        self._begin(started)
        if self.kind == "chat":
            return self._event({"delta": {"role": "assistant", "content": ""}})
        return self._event({"text": self.prefix}) if self.prefix else b""

    def text(self, piece: str) -> bytes:
        """Return a piece of text."""
        return self._event(
            {"delta": {"content": piece}} if self.kind == "chat" else {"text": piece}
        )

    def calls(self, calls: tuple[NamedCall, ...]) -> bytes:
        """Return the calls, all in one event."""
        if not calls:
            return b""
        listed = [{"index": i, **_call(call)} for i, call in enumerate(calls)]
        return self._event({"delta": {"tool_calls": listed}})

    def end(self, outcome: Outcome) -> bytes:
        """Return the reason of the end, the counters where they are wanted, and the mark of the end."""
        empty: Json = {"delta": {}} if self.kind == "chat" else {"text": ""}
        last = self._event(empty, outcome.reason)
        if self.usage_at_end:
            last += event({**self._head, "choices": [], "usage": _usage(outcome)})
        return last + DONE

    def whole(self, outcome: Outcome) -> Json:
        """Return the completion."""
        self._begin(outcome.started)
        if self.kind == "text":
            choice: Json = {"text": self.prefix + outcome.text}
        else:
            called = [_call(call) for call in outcome.calls]
            message: Json = {"role": "assistant", "content": outcome.text or None, "refusal": None}
            message |= {"tool_calls": called} if called else {"content": outcome.text}
            choice = {"message": message}
        choice |= {"index": 0, "logprobs": None, "finish_reason": outcome.reason}
        head = self._head | {"object": str(self._head["object"]).removesuffix(".chunk")}
        return head | {"choices": [choice], "usage": _usage(outcome), "atos": about(outcome)}

    def error(self, error: AtosError) -> Json:
        """Return OpenAI's error."""
        return openai_error(error)

    def error_event(self, error: AtosError) -> bytes:
        """Return the error as an event, after which nothing comes."""
        return event(openai_error(error))

    def _begin(self, started: GenerationStarted) -> None:
        chat = self.kind == "chat"
        self._head = {
            "id": new_id("chatcmpl-" if chat else "cmpl-"),
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": int(started.started_at),
            "model": started.model,
            "system_fingerprint": "atos",
        }

    def _event(self, choice: Json, reason: str | None = None) -> bytes:
        full = {"index": 0, **choice, "logprobs": None, "finish_reason": reason}
        return event({**self._head, "choices": [full]})


def _call(call: NamedCall) -> Json:
    function = {"name": call.call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _usage(outcome: Outcome) -> Json:
    last = outcome.last
    return {
        "prompt_tokens": last.prompt_tokens,
        "completion_tokens": last.tokens,
        "total_tokens": last.prompt_tokens + last.tokens,
        "prompt_tokens_details": {"cached_tokens": last.reused_tokens},
    }
