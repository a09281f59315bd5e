"""Anthropic's format of `/v1/messages`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.generation import GenerationStarted
from atos_scheduler.gateway.reply_format import (
    SSE,
    NamedCall,
    Outcome,
    anthropic_error,
    event,
    new_id,
)
from atos_scheduler.gateway.responses import Json

REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "load": "end_turn"}


@dataclass(slots=True)
class AnthropicFormat:
    """Writes one message: blocks of text and of tool use."""

    media: str = SSE
    _message: Json = field(default_factory=dict[str, Any])
    _blocks: int = 0
    _open: bool = False
    """Whether the block of text is open."""

    def waiting(self) -> bytes:
        """Return a ping."""
        return _event({"type": "ping"})

    def start(self, started: GenerationStarted) -> bytes:
        """Return the message, empty yet."""
        self._begin(started)
        return _event({"type": "message_start", "message": self._message})

    def text(self, piece: str) -> bytes:
        """Return a piece of the block of text."""
        opening = b""
        if not self._open:
            self._open = True
            opening = self._block_start({"type": "text", "text": ""})
        delta = {"type": "text_delta", "text": piece}
        return opening + _event(self._at({"type": "content_block_delta", "delta": delta}))

    def calls(self, calls: tuple[NamedCall, ...]) -> bytes:
        """Return one block for each call."""
        parts = [self._close()]
        for call in calls:
            block: Json = {"type": "tool_use", "id": call.id, "name": call.call.name, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": call.arguments}
            parts += [
                self._block_start(block),
                _event(self._at({"type": "content_block_delta", "delta": delta})),
                self._block_stop(),
            ]
        return b"".join(parts)

    def end(self, outcome: Outcome) -> bytes:
        """Return the reason of the end and the counters."""
        delta = {"stop_reason": REASONS[outcome.reason], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": _usage(outcome)}
        return self._close() + _event(last) + _event({"type": "message_stop"})

    def whole(self, outcome: Outcome) -> Json:
        """Return the message."""
        self._begin(outcome.started)
        blocks: list[Json] = []
        if outcome.text or not outcome.calls:
            blocks.append({"type": "text", "text": outcome.text})
        blocks += [
            {"type": "tool_use", "id": c.id, "name": c.call.name, "input": c.call.arguments}
            for c in outcome.calls
        ]
        reason = REASONS[outcome.reason]
        usage = _usage(outcome)
        return self._message | {"content": blocks, "stop_reason": reason, "usage": usage}

    def error(self, error: AtosError) -> Json:
        """Return Anthropic's error."""
        return anthropic_error(error)

    def error_event(self, error: AtosError) -> bytes:
        """Return the error as an event."""
        return event(anthropic_error(error), "error")

    def _begin(self, started: GenerationStarted) -> None:
        self._message = {
            "id": new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": started.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }

    def _at(self, body: Json) -> Json:
        return body | {"index": self._blocks}

    def _block_start(self, block: Json) -> bytes:
        return _event(self._at({"type": "content_block_start", "content_block": block}))

    def _block_stop(self) -> bytes:
        stop = _event(self._at({"type": "content_block_stop"}))
        self._blocks += 1
        return stop

    def _close(self) -> bytes:
        was, self._open = self._open, False
        return self._block_stop() if was else b""


def _event(body: Json) -> bytes:
    return event(body, str(body["type"]))


def _usage(outcome: Outcome) -> Json:
    last = outcome.last
    return {
        "input_tokens": last.prompt_tokens - last.reused_tokens,
        "cache_read_input_tokens": last.reused_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": last.tokens,
    }
