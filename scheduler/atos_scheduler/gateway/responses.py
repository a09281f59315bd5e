"""Ollama's objects, made of what a generation tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from atos_scheduler.engines.protocol import Chunk
from atos_scheduler.gateway.generation import Begun, Ended

Kind = Literal["chat", "generate"]
Json = dict[str, Any]


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Told:
    """What is known of a generation so far; makes Ollama's objects of it."""

    kind: Kind
    begun: Begun
    last: Chunk | None = None

    def piece(self, text: str) -> Json:
        """Return one line of a stream."""
        return {**self._head(), **self._text(text), "done": False}

    def final(self, ended: Ended, text: str = "", *, reason: str = "") -> Json:
        """Return the last line, or with `text` the only object."""
        last, begun = self.last or Chunk(done=True), self.begun
        took = ended.at - begun.started_at
        body = {**self._head(), **self._text(text), "done": True}
        body["done_reason"] = reason or last.reason
        if not reason:
            body |= {
                "total_duration": _nanoseconds(begun.queued + took),
                "load_duration": _nanoseconds(begun.queued),
                "prompt_eval_count": last.prompt_tokens,
                "prompt_eval_duration": _nanoseconds(last.prompt_seconds),
                "eval_count": last.tokens,
                "eval_duration": _nanoseconds(last.seconds),
            }
        body["atos"] = {
            "engine": begun.engine,
            "pool": begun.pool,
            "lease": begun.lease,
            "queued_s": begun.queued,
            "started_at": begun.started_at,
            "ended_at": ended.at,
        }
        return body

    def _head(self) -> Json:
        return {"model": self.begun.model, "created_at": _timestamp(self.begun.started_at)}

    def _text(self, text: str) -> Json:
        if self.kind == "chat":
            return {"message": {"role": "assistant", "content": text}}
        return {"response": text}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
