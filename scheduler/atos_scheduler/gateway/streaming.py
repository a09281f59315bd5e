"""The response to a chat or generate request: one object, or a stream of lines."""

from __future__ import annotations

from typing import Any

from anyio.abc import TaskGroup
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import AtosError, EngineError
from atos_scheduler.gateway.generation import Begun, Ended, Generation, Item
from atos_scheduler.gateway.replies import (
    NDJSON,
    encoded,
    error_body,
    error_reply,
    until_disconnect,
)
from atos_scheduler.gateway.responses import Json, Kind, Told


class Outlet:
    """The client's end of one request: lines of a stream, or one whole object."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, stream: bool) -> None:
        self._http = (scope, receive, send)
        self._send = send
        self._stream = stream
        self._begun = False
        self._text = list[str]()

    async def text(self, told: Told, text: str) -> None:
        """Hand a piece of text over, now or with the rest."""
        if self._stream:
            await self._line(told.piece(text))
        else:
            self._text.append(text)

    async def end(self, told: Told, ended: Ended, reason: str) -> None:
        """Hand the last line over, or everything."""
        body = told.final(ended, "".join(self._text), reason=reason)
        if self._stream:
            await self._line(body, more=False)
        else:
            await JSONResponse(body)(*self._http)

    async def fail(self, error: AtosError) -> None:
        """Say what went wrong: with its status, or as the last line if text was sent already."""
        if self._begun:
            await self._line(error_body(error), more=False)
        else:
            await error_reply(error)(*self._http)

    async def _line(self, body: Json, *, more: bool = True) -> None:
        if not self._begun:
            self._begun = True
            start: dict[str, Any] = {"type": "http.response.start", "status": 200}
            await self._send(start | {"headers": NDJSON})
        part = {"type": "http.response.body", "body": encoded(body), "more_body": more}
        await self._send(part)


class GenerationReply(Response):
    """Runs a generation and passes on what comes of it, for as long as the client is there."""

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
        """Answer; whatever ends this, the client's going away included, ends the generation."""
        outlet = Outlet(scope, receive, send, stream=self._stream)
        self._generation.start(self._group)
        try:
            await until_disconnect(receive, lambda: self._reply(outlet))
        finally:
            self._generation.cancel()

    async def _reply(self, outlet: Outlet) -> None:
        told: Told | None = None
        async with self._generation.items as items:
            async for item in items:
                if isinstance(item, Begun):
                    told = Told(self._kind, item)
                elif await self._pass_on(item, told, outlet):
                    return
        message = "the reply was given up: it was read too slowly, or the scheduler is ending"
        await outlet.fail(EngineError(message, next_step="Try again."))

    async def _pass_on(self, item: Item, told: Told | None, outlet: Outlet) -> bool:
        """Pass one item on; True if it was the last."""
        if isinstance(item, AtosError):
            await outlet.fail(item)
            return True
        assert told is not None, "a generation begins with Begun"
        assert not isinstance(item, Begun)
        if isinstance(item, Ended):
            await outlet.end(told, item, self._reason)
            return True
        if item.done:
            told.last = item
        if item.text:
            await outlet.text(told, item.text)
        return False
