"""One server over streamable HTTP: with a session for a client that opens one, without for everybody else.

    2026-07-28 ------------------------------------------------------> one POST, one answer
    2025-11-25 --(initialize)------------------> opens a session: questions to the client, streams that can be resumed
               --(id of an open session)-------> goes on in it; its client gone: the call is cancelled
               --(id that its client has ended)-> 404
               --(no id, or one of an earlier host)-> one POST, one answer

A host that was killed takes its sessions along. Who goes on with such an id is served all the same, since nothing that
the tools know is kept in a session.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import anyio
from fastmcp import FastMCP
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from atos_servers.host.recent_events import RecentEvents

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RETRY_MS = 500
"""After how many milliseconds a client should take up a stream that was closed."""
IDLE_SECONDS = 900.0
"""How long a session is kept that nobody uses; most clients never end theirs."""
FORGOTTEN_SECONDS = IDLE_SECONDS - 60
"""How long after its last use an id still leads to its session: its end must not be met in mid-request."""
MOST_OPEN = 500
"""Sessions of one server at once: a client that loops must not fill the memory. Further clients are served without."""
MOST_ENDED = 1000
"""Ids of ended sessions that are remembered."""
CANCEL_SECONDS = 5.0


class StreamableHttp:
    """Pure ASGI.

    Args:
        server: what is served.
        path: where.
    """

    def __init__(self, server: FastMCP, path: str) -> None:
        self._whole = server.http_app(path=path, stateless_http=True, json_response=True)
        self._stream = server.http_app(path=path, stateless_http=True)
        self._sessions = server.http_app(
            path=path,
            event_store=RecentEvents(),
            retry_interval=RETRY_MS,
            session_idle_timeout=IDLE_SECONDS,
        )
        self._used: dict[bytes, float] = {}
        """Open sessions, and when they were used last, in monotonic seconds."""
        self._listening = Counter[bytes]()
        """How many streams a session's client keeps open beside its calls: it is in use as long as there is one."""
        self._ended: dict[bytes, None] = {}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Enter the transports' lifespans."""
        async with AsyncExitStack() as stack:
            for app in (self._whole, self._stream, self._sessions):
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = dict(scope["headers"])
        streams = b"text/event-stream" in headers.get(b"accept", b"")
        once = self._stream if streams else self._whole
        version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        if version and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            return await once(scope, receive, send)
        session = headers.get(b"mcp-session-id")
        if session in self._ended:
            return await self._sessions(scope, receive, send)  # which says that there is none
        if session is not None and self._is_open(session):
            return await self._in_session(session, scope, receive, send)
        if scope["method"] != "POST" or not streams or session is not None:
            return await once(scope, receive, send)
        body = await Body.read(receive)
        if body.message.get("method") != "initialize" or not self._has_room():
            return await once(scope, body.receive, send)
        return await self._sessions(scope, body.receive, self._noting(send))

    def _is_open(self, session: bytes) -> bool:
        return session in self._used and not self._is_forgotten(session)

    def _is_forgotten(self, session: bytes) -> bool:
        unused = time.monotonic() - self._used[session] > FORGOTTEN_SECONDS
        return unused and not self._listening[session]

    def _has_room(self) -> bool:
        for session in [each for each in self._used if self._is_forgotten(each)]:
            del self._used[session]
            del self._listening[session]
        return len(self._used) < MOST_OPEN

    def _noting(self, send: Send) -> Send:
        """Return `send` that notes the session that an answer opens."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                session = dict(message.get("headers", [])).get(b"mcp-session-id")
                if session and message["status"] < 400:
                    self._used[bytes(session)] = time.monotonic()
            await send(message)

        return noted

    async def _in_session(
        self, session: bytes, scope: Message, receive: Receive, send: Send
    ) -> None:
        listens = scope["method"] == "GET"
        self._listening[session] += listens
        try:
            serve = self._call if scope["method"] == "POST" else self._sessions
            await serve(scope, receive, send)
        finally:
            self._listening[session] -= listens
            if scope["method"] == "DELETE":
                self._end(session)
            elif session in self._used:
                self._used[session] = time.monotonic()

    def _end(self, session: bytes) -> None:
        self._used.pop(session, None)
        del self._listening[session]
        self._ended[session] = None
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    async def _call(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a message of a session; a request whose client goes away before the answer is cancelled.

        The request itself runs in the session, which outlives this one.
        """
        body = await Body.read(receive)
        try:
            await self._sessions(scope, body.receive, send)
        except anyio.get_cancelled_exc_class():
            if "id" in body.message and "method" in body.message:
                await self._cancel(scope, body.message["id"])
            raise

    async def _cancel(self, scope: Message, request: Any) -> None:
        params = {"requestId": request, "reason": "the client went away"}
        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        body = Body(json.dumps(notice).encode())
        kept = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            await self._sessions({**scope, "headers": kept}, body.receive, _nowhere)


class Body:
    """A request's body that was read, and can be again."""

    def __init__(self, data: bytes, receive: Receive | None = None) -> None:
        self._data, self._given = data, False
        self._further = receive or anyio.sleep_forever
        self.message: dict[str, Any] = _object(data)
        """The JSON object that it is; empty for anything else."""

    @classmethod
    async def read(cls, receive: Receive) -> Body:
        """Read the whole body, whose size the guard bounds; one that breaks off is passed on as far as it came."""
        parts = list[bytes]()
        while (event := await receive())["type"] == "http.request":
            parts.append(event.get("body", b""))
            if not event.get("more_body", False):
                break
        return cls(b"".join(parts), receive)

    async def receive(self) -> Message:
        """Return the body, and then what comes after it."""
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._data, "more_body": False}
        return cast("Message", await self._further())


def _object(data: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


async def _nowhere(_: Message) -> None:
    """Drop an answer that nobody waits for."""
