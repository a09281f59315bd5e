"""Ollama's format of a reply: one object, or a stream of JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.generation import GenerationStarted
from atos_scheduler.gateway.reply_format import NamedCall, Outcome
from atos_scheduler.gateway.responses import Json, encoded, error_body

Kind = Literal["chat", "generate"]


@dataclass(slots=True)
class OllamaFormat:
    """Writes one reply of `/api/chat` or `/api/generate`."""

    kind: Kind
    model: str
    """As the client named it, until the one that answers is known."""
    media: str = "application/x-ndjson"
    at: str = ""

    def waiting(self) -> bytes:
        """Return a line without text, which every client adds to nothing."""
        return encoded({**self._head(), **self._text(""), "done": False})

    def start(self, started: GenerationStarted) -> bytes:
        """Remember who answers; a stream begins with its first text."""
        self.model = started.model
        self.at = _time(datetime.fromtimestamp(started.started_at, UTC))
        return b""

    def text(self, piece: str) -> bytes:
        """Return one line of a stream."""
        return encoded({**self._head(), **self._text(piece), "done": False})

    def calls(self, calls: tuple[NamedCall, ...]) -> bytes:
        """Return the line with the calls."""
        body = {**self._head(), **self._text("", calls), "done": False}
        return encoded(body) if calls else b""

    def end(self, outcome: Outcome) -> bytes:
        """Return the last line."""
        return encoded({**self._head(), **self._text(""), **_counters(outcome)})

    def whole(self, outcome: Outcome) -> Json:
        """Return the only object."""
        text = self._text(outcome.text, outcome.calls)
        return {**self._head(), **text, **_counters(outcome)}

    def error(self, error: AtosError) -> Json:
        """Return `{"error": text}`, with ours beside it."""
        return error_body(error)

    def error_event(self, error: AtosError) -> bytes:
        """Return the same as a line."""
        return encoded(error_body(error))

    def _head(self) -> Json:
        return {"model": self.model, "created_at": self.at or _time(datetime.now(UTC))}

    def _text(self, text: str, calls: tuple[NamedCall, ...] = ()) -> Json:
        if self.kind == "generate":
            return {"response": text}
        message: Json = {"role": "assistant", "content": text}
        if calls:
            functions = [{"name": c.call.name, "arguments": c.call.arguments} for c in calls]
            message["tool_calls"] = [{"function": function} for function in functions]
        return {"message": message}


def _counters(outcome: Outcome) -> Json:
    last, started = outcome.last, outcome.started
    took = outcome.at - started.started_at
    reason = "stop" if outcome.reason == "tool_calls" else outcome.reason
    body: Json = {"done": True, "done_reason": reason}
    if reason != "load":
        body |= {
            "total_duration": _nanoseconds(started.queued + took),
            "load_duration": _nanoseconds(started.loading),
            "prompt_eval_count": last.prompt_tokens,
            "prompt_eval_duration": _nanoseconds(last.prompt_seconds),
            "eval_count": last.tokens,
            "eval_duration": _nanoseconds(last.seconds),
        }
    return body | {"atos": about(outcome)}


def about(outcome: Outcome) -> Json:
    """Return what is ours to say of a reply: who gave it, and where its time went."""
    last, started = outcome.last, outcome.started
    return {
        "engine": started.engine,
        "pool": started.pool,
        "lease": started.lease,
        "queued_s": started.queued,
        "loading_s": started.loading,
        **({"load_why": started.why, "load_victims": list(started.victims)} if started.why else {}),
        "prompt_tokens": last.prompt_tokens,
        "reused_tokens": last.reused_tokens,
        "prompt_s": last.prompt_seconds,
        "tokens": last.tokens,
        "reply_s": last.seconds,
        "started_at": started.started_at,
        "ended_at": outcome.at,
    }


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
