"""Replies in Ollama's shape: streams of JSON lines, single objects, and errors.

The reply races the client's disconnect from its first moment: uvicorn does not end a handler whose
client went away while it waits, and waiting for a grant is exactly where a request spends its time.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import anyio
from anyio.abc import TaskGroup
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from atos.scheduler.engines.protocol import Chunk
from atos.scheduler.errors import AtosError, EngineError
from atos.scheduler.gateway.generation import Begun, Ended, Generation

Json = dict[str, Any]
NDJSON = [(b"content-type", b"application/x-ndjson")]


def encoded(body: Json) -> bytes:
    """Return one JSON line."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def error_body(error: AtosError) -> Json:
    """Return an error in Ollama's shape, with ours beside it."""
    message = error.message.rstrip(".")
    text = f"{message}. {error.next_step}" if error.next_step else error.message
    return {"error": text, "atos": error.to_wire()}


def error_reply(error: AtosError) -> Response:
    """Return an error as a whole response."""
    return JSONResponse(error_body(error), status_code=error.status)


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_disconnect(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, but no longer than the client is there.

    Raises:
        AtosError: as `work` does, and not wrapped into a group.
    """
    failure: AtosError | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        await disconnected(receive)
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            await work()
        except AtosError as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Told:
    """What is known of a generation so far; makes Ollama's objects of it."""

    kind: Literal["chat", "generate"]
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


class GenerationReply(Response):
    """The response to a chat or generate request: one object, or a stream of lines."""

    def __init__(
        self,
        generation: Generation,
        group: TaskGroup,
        kind: Literal["chat", "generate"],
        *,
        stream: bool,
        load_only: bool = False,
    ) -> None:
        super().__init__()
        self._generation = generation
        self._group = group
        self._kind: Literal["chat", "generate"] = kind
        self._stream = stream and not load_only
        self._load_only = load_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; whatever ends this, the client's going away included, ends the generation."""
        self._generation.start(self._group)
        try:
            await until_disconnect(receive, lambda: self._reply(scope, receive, send))
        finally:
            self._generation.cancel()

    async def _reply(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._generation.items as items:
            told: Told | None = None
            parts = list[str]()
            sent = False
            async for item in items:
                if isinstance(item, AtosError):
                    await self._fail(item, scope, receive, send, sent=sent)
                    return
                if isinstance(item, Begun):
                    told = Told(self._kind, item)
                    continue
                assert told is not None, "a generation begins with Begun"
                if isinstance(item, Ended):
                    await self._finish(told, item, "".join(parts), scope, receive, send, sent=sent)
                    return
                if item.done:
                    told.last = item
                if not item.text:
                    continue
                if self._stream:
                    if not sent:
                        await send(_start())
                        sent = True
                    await send(_part(told.piece(item.text)))
                else:
                    parts.append(item.text)
        message = "the reply was given up: it was read too slowly, or the scheduler is ending"
        error = EngineError(message, next_step="Try again.")
        await self._fail(error, scope, receive, send, sent=sent)

    async def _finish(
        self,
        told: Told,
        ended: Ended,
        text: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        sent: bool,
    ) -> None:
        body = told.final(ended, text, reason="load" if self._load_only else "")
        if not self._stream:
            await JSONResponse(body)(scope, receive, send)
            return
        if not sent:
            await send(_start())
        await send(_part(body, more=False))

    async def _fail(
        self, error: AtosError, scope: Scope, receive: Receive, send: Send, *, sent: bool
    ) -> None:
        """Say what went wrong: with its status, or as the last line if text was sent already."""
        if sent:
            await send(_part(error_body(error), more=False))
        else:
            await error_reply(error)(scope, receive, send)


def _start() -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": NDJSON}


def _part(body: Json, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": encoded(body), "more_body": more}
