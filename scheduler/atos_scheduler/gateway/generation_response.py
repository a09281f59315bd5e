"""The response to a chat or generate request, in Ollama's format: one object, or a stream of lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from anyio.abc import TaskGroup
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import AtosError, EngineError
from atos_scheduler.engines.protocol import Chunk
from atos_scheduler.gateway.generation import (
    Generation,
    GenerationFinished,
    GenerationStarted,
    Item,
)
from atos_scheduler.gateway.responses import (
    NDJSON,
    Json,
    encoded,
    error_body,
    error_response,
    until_disconnect,
)

Kind = Literal["chat", "generate"]


@dataclass(slots=True)
class OllamaFormat:
    """Turns the events of one generation into Ollama's objects."""

    kind: Kind
    started: GenerationStarted
    last: Chunk | None = None

    def line(self, text: str) -> Json:
        """Return one line of a stream."""
        return {**self._head(), **self._text(text), "done": False}

    def final(self, finished: GenerationFinished, text: str = "", *, reason: str = "") -> Json:
        """Return the last line, or with `text` the only object."""
        last, started = self.last or Chunk(done=True), self.started
        took = finished.at - started.started_at
        body = {**self._head(), **self._text(text), "done": True}
        body["done_reason"] = reason or last.reason
        if not reason:
            body |= {
                "total_duration": _nanoseconds(started.queued + took),
                "load_duration": _nanoseconds(started.loading),
                "prompt_eval_count": last.prompt_tokens,
                "prompt_eval_duration": _nanoseconds(last.prompt_seconds),
                "eval_count": last.tokens,
                "eval_duration": _nanoseconds(last.seconds),
            }
        body["atos"] = {
            "engine": started.engine,
            "pool": started.pool,
            "lease": started.lease,
            "queued_s": started.queued,
            "loading_s": started.loading,
            "prompt_tokens": last.prompt_tokens,
            "reused_tokens": last.reused_tokens,
            "prompt_s": last.prompt_seconds,
            "tokens": last.tokens,
            "reply_s": last.seconds,
            "started_at": started.started_at,
            "ended_at": finished.at,
        }
        return body

    def _head(self) -> Json:
        at = datetime.fromtimestamp(self.started.started_at, UTC)
        created = at.isoformat().replace("+00:00", "Z")
        return {"model": self.started.model, "created_at": created}

    def _text(self, text: str) -> Json:
        if self.kind == "chat":
            return {"message": {"role": "assistant", "content": text}}
        return {"response": text}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


class ResponseWriter:
    """Writes one response: lines of a stream, or one whole object."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, stream: bool) -> None:
        self._http = (scope, receive, send)
        self._send = send
        self._stream = stream
        self._line_sent = False
        self._text = list[str]()

    async def text(self, form: OllamaFormat, text: str) -> None:
        """Write a piece of text, at once or with the rest."""
        if self._stream:
            await self._line(form.line(text))
        else:
            self._text.append(text)

    async def finish(self, form: OllamaFormat, finished: GenerationFinished, reason: str) -> None:
        """Write the last line, or the whole object."""
        body = form.final(finished, "".join(self._text), reason=reason)
        if self._stream:
            await self._line(body, more=False)
        else:
            await JSONResponse(body)(*self._http)

    async def fail(self, error: AtosError) -> None:
        """Write an error: with its status, or as the last line if text was sent already."""
        if self._line_sent:
            await self._line(error_body(error), more=False)
        else:
            await error_response(error)(*self._http)

    async def _line(self, body: Json, *, more: bool = True) -> None:
        if not self._line_sent:
            self._line_sent = True
            start: dict[str, Any] = {"type": "http.response.start", "status": 200}
            await self._send(start | {"headers": NDJSON})
        part = {"type": "http.response.body", "body": encoded(body), "more_body": more}
        await self._send(part)


class GenerationResponse(Response):
    """Runs a generation and writes what it yields, for as long as the client stays connected."""

    def __init__(
        self,
        generation: Generation,
        group: TaskGroup,
        kind: Kind,
        *,
        stream: bool,
        load_only: bool = False,
    ) -> None:
        super().__init__()
        self._generation = generation
        self._group = group
        self._kind: Kind = kind
        self._stream = stream and not load_only
        self._reason = "load" if load_only else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; whatever ends this, the client's disconnect included, ends the generation."""
        writer = ResponseWriter(scope, receive, send, stream=self._stream)
        self._generation.start(self._group)
        try:
            await until_disconnect(receive, lambda: self._respond(writer))
        finally:
            self._generation.cancel()

    async def _respond(self, writer: ResponseWriter) -> None:
        form: OllamaFormat | None = None
        async with self._generation.items as items:
            async for item in items:
                if isinstance(item, GenerationStarted):
                    form = OllamaFormat(self._kind, item)
                elif await self._write(item, form, writer):
                    return
        message = "the reply was dropped: it was read too slowly, or the scheduler is ending"
        await writer.fail(EngineError(message, next_step="Try again."))

    async def _write(self, item: Item, form: OllamaFormat | None, writer: ResponseWriter) -> bool:
        """Write one item; True if it was the last."""
        if isinstance(item, AtosError):
            await writer.fail(item)
            return True
        assert form is not None, "a generation begins with GenerationStarted"
        assert not isinstance(item, GenerationStarted)
        if isinstance(item, GenerationFinished):
            await writer.finish(form, item, self._reason)
            return True
        if item.done:
            form.last = item
        if item.text:
            await writer.text(form, item.text)
        return False
