"""What every API's way of writing a reply has to know, and the parts that they share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import uuid4

from atos_protocol.errors import AtosError
from atos_scheduler.engines.protocol import Chunk, ToolCall
from atos_scheduler.gateway.generation import GenerationStarted
from atos_scheduler.gateway.responses import Json, error_text

Reason = Literal["stop", "length", "tool_calls", "load"]
SSE = "text/event-stream"
COMMENT = b": the request waits\n\n"
"""A line of an event stream that clients skip."""


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A call of a tool with the id under which its result comes back."""

    id: str
    call: ToolCall

    @property
    def arguments(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(self.call.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply at its end."""

    started: GenerationStarted
    last: Chunk
    """Its counters, and why it ended."""
    at: float
    """Epoch seconds of its end."""
    reason: Reason
    text: str
    calls: tuple[NamedCall, ...] = ()


class ReplyFormat(Protocol):
    """Writes one reply in one API's format; it may remember what it wrote."""

    @property
    def media(self) -> str:
        """Content type of a stream."""
        ...

    def waiting(self) -> bytes:
        """Return what keeps a connection alive that has nothing to say yet."""
        ...

    def start(self, started: GenerationStarted) -> bytes:
        """Return a stream's beginning."""
        ...

    def text(self, piece: str) -> bytes:
        """Return a piece of text in a stream."""
        ...

    def calls(self, calls: tuple[NamedCall, ...]) -> bytes:
        """Return calls of tools in a stream; there may be none."""
        ...

    def end(self, outcome: Outcome) -> bytes:
        """Return a stream's end."""
        ...

    def whole(self, outcome: Outcome) -> Json:
        """Return a reply that is not streamed."""
        ...

    def error(self, error: AtosError) -> Json:
        """Return an error as a whole body."""
        ...

    def error_event(self, error: AtosError) -> bytes:
        """Return an error within a stream that has begun."""
        ...


def event(body: Json, name: str = "") -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def new_id(prefix: str) -> str:
    """Return an id as the API writes it, such as `chatcmpl-...`."""
    return f"{prefix}{uuid4().hex[:24]}"


OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    409: "invalid_request_error",
    501: "invalid_request_error",
}
OPENAI_CODES = {
    "no_model": "model_not_found",
    "context": "context_length_exceeded",
    "busy": "server_overloaded",
}
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    501: "invalid_request_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def openai_error(error: AtosError) -> Json:
    """Return an error as OpenAI writes it, with ours beside it."""
    body: Json = {
        "message": error_text(error),
        "type": OPENAI_TYPES.get(error.status, "server_error"),
        "param": error.data.get("field"),
        "code": OPENAI_CODES.get(error.code, error.code),
    }
    return {"error": body, "atos": error.to_wire()}


def anthropic_error(error: AtosError) -> Json:
    """Return an error as Anthropic writes it, with ours beside it."""
    kind = ANTHROPIC_TYPES.get(error.status, "api_error")
    body = {"type": kind, "message": error_text(error)}
    return {"type": "error", "error": body, "atos": error.to_wire()}
