"""OpenAI's format of `/v1/responses`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.generation import GenerationStarted
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


@dataclass(slots=True)
class ResponsesFormat:
    """Writes one response: a message, and calls of functions."""

    asked: Json
    """The fields of the request that a response repeats."""
    media: str = SSE
    _head: Json = field(default_factory=dict[str, Any])
    _number: int = 0
    _message: str = ""
    """Id of the message, once it has begun."""
    _items: list[Json] = field(default_factory=list[Json])

    def waiting(self) -> bytes:
        """Return a comment."""
        return COMMENT

    def start(self, started: GenerationStarted) -> bytes:
        """Return the two events with which every response begins."""
        self._begin(started)
        body = {"response": self._response("in_progress")}
        return self._event("created", body) + self._event("in_progress", body)

    def text(self, piece: str) -> bytes:
        """Return a piece of the message's text."""
        opening = b""
        if not self._message:
            self._message = new_id("msg_")
            item: Json = {**_message(self._message, ""), "content": [], "status": "in_progress"}
            opening = self._event("output_item.added", {"output_index": 0, "item": item})
            part = {"part": _part("")}
            opening += self._event("content_part.added", self._place() | part)
        delta: Json = {"delta": piece, "logprobs": []}
        return opening + self._event("output_text.delta", self._place() | delta)

    def calls(self, calls: tuple[NamedCall, ...]) -> bytes:
        """Return the events of each call."""
        written = list[bytes]()
        for index, call in enumerate(calls, 1 if self._message else 0):
            item = _call(call)
            place = {"item_id": item["id"], "output_index": index}
            empty = item | {"arguments": "", "status": "in_progress"}
            whole = {"arguments": call.arguments, "name": call.call.name}
            kind = "function_call_arguments"
            written += [
                self._event("output_item.added", {"output_index": index, "item": empty}),
                self._event(f"{kind}.delta", place | {"delta": call.arguments}),
                self._event(f"{kind}.done", place | whole),
                self._event("output_item.done", {"output_index": index, "item": item}),
            ]
            self._items.append(item)
        return b"".join(written)

    def end(self, outcome: Outcome) -> bytes:
        """Close the message, and return the response as a whole."""
        closing = b""
        if self._message:
            item = _message(self._message, outcome.text)
            closing += self._event(
                "output_text.done", self._place() | {"text": outcome.text, "logprobs": []}
            )
            closing += self._event(
                "content_part.done", self._place() | {"part": _part(outcome.text)}
            )
            closing += self._event("output_item.done", {"output_index": 0, "item": item})
            self._items.insert(0, item)
        name = "incomplete" if outcome.reason == "length" else "completed"
        return closing + self._event(name, {"response": self._finished(outcome)})

    def whole(self, outcome: Outcome) -> Json:
        """Return the response."""
        self._begin(outcome.started)
        if outcome.text or not outcome.calls:
            self._items.append(_message(new_id("msg_"), outcome.text))
        self._items += [_call(call) for call in outcome.calls]
        return self._finished(outcome)

    def error(self, error: AtosError) -> Json:
        """Return OpenAI's error."""
        return openai_error(error)

    def error_event(self, error: AtosError) -> bytes:
        """Return the error as an event."""
        body = openai_error(error)["error"]
        return self._event("", {"code": body["code"], "message": body["message"], "param": None})

    def _begin(self, started: GenerationStarted) -> None:
        self._head = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(started.started_at),
            "model": started.model,
            **self.asked,
        }

    def _response(self, status: str) -> Json:
        nothing = {"error": None, "incomplete_details": None, "usage": None}
        return {**self._head, "status": status, "output": list(self._items), **nothing}

    def _finished(self, outcome: Outcome) -> Json:
        cut = outcome.reason == "length"
        details = {"reason": "max_output_tokens"} if cut else None
        return self._response("incomplete" if cut else "completed") | {
            "incomplete_details": details,
            "usage": _usage(outcome),
        }

    def _place(self) -> Json:
        return {"item_id": self._message, "output_index": 0, "content_index": 0}

    def _event(self, name: str, body: Json) -> bytes:
        kind = f"response.{name}" if name else "error"
        self._number += 1
        return event({"type": kind, "sequence_number": self._number - 1, **body}, kind)


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(name: str, text: str) -> Json:
    body: Json = {"id": name, "type": "message", "role": "assistant", "status": "completed"}
    return body | {"content": [_part(text)]}


def _call(call: NamedCall) -> Json:
    return {
        "id": call.id.replace("call_", "fc_"),
        "type": "function_call",
        "call_id": call.id,
        "name": call.call.name,
        "arguments": call.arguments,
        "status": "completed",
    }


def _usage(outcome: Outcome) -> Json:
    last = outcome.last
    return {
        "input_tokens": last.prompt_tokens,
        "input_tokens_details": {"cached_tokens": last.reused_tokens, "cache_write_tokens": 0},
        "output_tokens": last.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": last.prompt_tokens + last.tokens,
    }
