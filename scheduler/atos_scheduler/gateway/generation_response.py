"""Writes what a generation yields, in the format of the API that was called: whole, or as a stream.

    nothing sent --first text--> stream --end--> last bytes
         |--10 s without a word--> stream, kept alive
         |--error--> whole response with its status        stream --error--> an event in it

A request that is not streamed waits in silence and keeps its status to the end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import AtosError, EngineError
from atos_scheduler.engines.protocol import Chunk, Embeddings, ToolCall
from atos_scheduler.gateway.generation import (
    Generation,
    GenerationFinished,
    GenerationStarted,
    Item,
)
from atos_scheduler.gateway.reply_format import NamedCall, Outcome, Reason, ReplyFormat, new_id
from atos_scheduler.gateway.responses import retry_headers, until_disconnect
from atos_scheduler.gateway.tool_calls import ToolCallReader

KEEP_ALIVE_SECONDS = 10.0
"""Silence after which a stream says that it is still there; many clients give up after 30 to 60 s."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply is handed over."""

    stream: bool
    tools: Collection[str] = ()
    """Names of the tools that may be called."""
    single_call: bool = False
    """Whether only the first call is handed over."""
    load_only: bool = False
    keep_alive: float = KEEP_ALIVE_SECONDS
    headers: tuple[tuple[str, str], ...] = ()


class ResponseWriter:
    """Writes one response."""

    def __init__(
        self, http: tuple[Scope, Receive, Send], form: ReplyFormat, delivery: Delivery
    ) -> None:
        self._http = http
        self._form = form
        self._delivery = delivery
        self._opened = False
        self._spoken = False
        """Whether the format's own beginning was written."""
        self._started: GenerationStarted | None = None
        self._text = list[str]()
        self._calls = list[ToolCall]()
        self._last = Chunk(done=True)
        self._reader = ToolCallReader(delivery.tools) if delivery.tools else None

    async def wait(self) -> None:
        """Say that nothing has happened for a while, where that can be said."""
        if self._delivery.stream:
            await self._send(self._form.waiting())

    def start(self, started: GenerationStarted) -> None:
        """Note who answers."""
        self._started = started

    async def chunk(self, chunk: Chunk) -> None:
        """Write a piece of the reply, at once or with the rest."""
        if chunk.done:
            self._last = chunk
        self._calls += chunk.calls
        await self._write(self._reader.text(chunk.text) if self._reader else chunk.text)

    async def _write(self, text: str) -> None:
        if not text:
            return
        self._text.append(text)
        if self._delivery.stream:
            await self._send(self._opening() + self._form.text(text))

    async def finish(self, finished: GenerationFinished) -> None:
        """Write the end, or the whole reply."""
        if self._reader is not None:
            rest, found = self._reader.end()
            self._calls += found
            await self._write(rest)
        wanted = self._calls[: 1 if self._delivery.single_call else None]
        calls = tuple(NamedCall(new_id("call_"), call) for call in wanted)
        outcome = self._outcome(finished, calls)
        if self._delivery.stream:
            await self._send(self._opening() + self._form.calls(calls))
            await self._send(self._form.end(outcome), more=False)
            return
        headers = dict(self._delivery.headers)
        await JSONResponse(self._form.whole(outcome), headers=headers)(*self._http)

    def _outcome(self, finished: GenerationFinished, calls: tuple[NamedCall, ...]) -> Outcome:
        assert self._started is not None, "a generation begins with GenerationStarted"
        reason: Reason = "length" if self._last.reason == "length" else "stop"
        reason = "tool_calls" if calls else "load" if self._delivery.load_only else reason
        return Outcome(self._started, self._last, finished.at, reason, "".join(self._text), calls)

    async def fail(self, error: AtosError) -> None:
        """Write an error: with its status, or within the stream that has begun."""
        if self._opened:
            await self._send(self._form.error_event(error), more=False)
        else:
            headers = retry_headers(error)
            body = JSONResponse(self._form.error(error), status_code=error.status, headers=headers)
            await body(*self._http)

    def _opening(self) -> bytes:
        if self._spoken or self._started is None:
            return b""
        self._spoken = True
        return self._form.start(self._started)

    async def _send(self, data: bytes, *, more: bool = True) -> None:
        send = self._http[2]
        if not self._opened:
            self._opened = True
            pairs = (("content-type", self._form.media), *self._delivery.headers)
            headers = [(name.encode(), value.encode()) for name, value in pairs]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if data or not more:
            await send({"type": "http.response.body", "body": data, "more_body": more})


class GenerationResponse(Response):
    """Runs a generation and writes what it yields, for as long as the client stays connected."""

    def __init__(
        self, generation: Generation, group: TaskGroup, form: ReplyFormat, delivery: Delivery
    ) -> None:
        super().__init__()
        self._generation = generation
        self._group = group
        self._form = form
        self._delivery = delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; whatever ends this, the client's disconnect included, ends the generation."""
        writer = ResponseWriter((scope, receive, send), self._form, self._delivery)
        self._generation.start(self._group)
        try:
            await until_disconnect(receive, lambda: self._respond(writer))
        finally:
            self._generation.cancel()

    async def _respond(self, writer: ResponseWriter) -> None:
        async with self._generation.items as items:
            while True:
                item: Item | None = None
                with anyio.move_on_after(self._delivery.keep_alive):
                    try:
                        item = await items.receive()
                    except anyio.EndOfStream:
                        break
                if item is None:
                    await writer.wait()
                elif await _write(item, writer):
                    return
        message = "the reply was dropped: it was read too slowly, or the scheduler is ending"
        await writer.fail(EngineError(message, next_step="Try again."))


async def _write(item: Item, writer: ResponseWriter) -> bool:
    """Write one item; True if it was the last."""
    match item:
        case AtosError():
            await writer.fail(item)
            return True
        case GenerationFinished():
            await writer.finish(item)
            return True
        case GenerationStarted():
            writer.start(item)
        case Chunk():
            await writer.chunk(item)
        case Embeddings():
            pass  # asked for in another way
    return False
