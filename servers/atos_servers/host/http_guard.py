"""The guard in front of every HTTP route, and the token it asks for.

A loopback port is reachable by every program and every web page on the machine, so a request must
name this very host and port (DNS rebinding), come from no browser page (an `Origin` or a
cross-site fetch) unless the settings name its origin, carry a token, which tells whose request it is, and
be no more than that caller may make.

A container calls by the bridge's address, which others on that network reach as well: there the names are those of
the settings, and the person's own token, which may do everything, is refused.

    headers checked -> caller known -> served in the caller's name --answered--> end
                                            |--token not valid any more--> closed
                                            |--client gone--> its call is cancelled

The caller is looked up again while a request is open: a stream may last for hours. A session of a transport
belongs to the caller that opened it (`scope["user"]`), so its id is of no use with another token.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from atos_protocol.tokens import DEFAULT
from atos_servers.host.callers import Caller, Identify
from atos_servers.host.connection import Connection, connected
from atos_servers.host.rate_limit import RateLimit
from atos_servers.host.revocation import until_revoked
from atos_servers.host.web_origins import Headers, WebOrigins

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 4 << 20
"""Largest request body, in bytes; the MCP SDK's own limit."""

BODY_SECONDS = 30.0
"""How long a request's body may take to come."""

POLICY_VIOLATION = 1008
UNIQUE_HEADERS = (b"host", b"origin", b"authorization", b"content-length", b"sec-fetch-site")
logger = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that the guard does not let through."""

    def __init__(
        self, status: int, code: str, message: str, step: str, headers: Headers | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or []
        self.body = {"error": {"code": code, "message": message, "next": step}}


class Guard:
    """Pure ASGI, outermost: lets a request through, or answers it with one JSON error.

    Args:
        app: what is guarded.
        identify: whose token it is.
        port: where it is served.
        origins: web pages that may call.
        rate: requests a second that one caller may make for long; 0: any number.
    """

    def __init__(
        self,
        app: App,
        identify: Identify,
        port: int,
        origins: Iterable[str] = (),
        rate: float = 0.0,
        *,
        bridge: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._identify = identify
        self._origins = WebOrigins(origins)
        self._limit = RateLimit(rate, time.monotonic)
        hosts = ("127.0.0.1", "localhost", "[::1]")
        self._bridge = frozenset(f"{host}:{port}".encode() for host in bridge)
        # With Docker Desktop a container's call comes by loopback, with the bridge's name.
        self._hosts = self._bridge | {f"{host}:{port}".encode() for host in hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        try:
            bridged = _is_bridged(scope)
            headers = self._check_sender(scope["headers"], bridged=bridged)
            origin = headers.get(b"origin")
            if origin is not None and self._origins.asks(scope, origin):
                await _empty(send, self._origins.preflight(origin))
                return
            readable = self._origins.readable(origin)
            send = _with_headers(send, readable) if readable else send
            token, caller = self._check_caller(headers, bridged=bridged)
        except Refusal as refusal:
            await _answer(send, refusal)
            return
        access = AccessToken(token="", client_id=caller.name, scopes=[])
        known = {**scope, "user": AuthenticatedUser(access)}
        connection = Connection(
            "http",
            caller.workspaces,
            caller.name,
            is_welcome=lambda: self._identify(token) == caller,
        )
        with connected(connection):
            await self._serve(caller, _Body(self._app, receive, send), known)

    async def _serve(self, caller: Caller, body: _Body, scope: Message) -> None:
        """Serve a request for as long as its token is the caller's."""
        async with until_revoked() as revoked:
            await body.run(scope)
        if revoked:
            logger.info("a request of %s was closed: its token is not valid now", caller.name)
            await body.refuse(_not_valid_now())

    def _check_sender(
        self, pairs: Iterable[tuple[bytes, bytes]], *, bridged: bool
    ) -> dict[bytes, bytes]:
        """Return the headers of a request that names this host and comes from no foreign web page."""
        headers: dict[bytes, bytes] = {}
        for name, value in pairs:
            if name in headers and name in UNIQUE_HEADERS:
                text = f"the header {name.decode('latin-1')} is given twice"
                raise Refusal(400, "bad_request", text, "Send it once.")
            headers[name] = value
        if headers.get(b"host", b"").lower() not in (self._bridge if bridged else self._hosts):
            text = "this server does not go by that Host"
            step = "Use the URL that `atos-client doctor` names."
            if bridged:
                names = ", ".join(sorted(name.decode() for name in self._bridge))
                step = f"From a container use one of {names}; more names: ATOS_BRIDGE_HOSTS."
            raise Refusal(421, "unauthorized", text, step)
        if (origin := headers.get(b"origin")) is not None:
            if not self._origins.allows(origin):
                text = "requests from web pages are not accepted"
                step = (
                    "Call from a program, without an Origin; or name this one in ATOS_HTTP_ORIGINS."
                )
                raise Refusal(403, "unauthorized", text, step)
        elif headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            text = "cross-site requests are not accepted"
            raise Refusal(403, "unauthorized", text, "Call from a program.")
        return headers

    def _check_caller(
        self, headers: Mapping[bytes, bytes], *, bridged: bool
    ) -> tuple[bytes, Caller]:
        """Return the token and whose it is."""
        scheme, _, presented = headers.get(b"authorization", b"").partition(b" ")
        token = presented.strip()
        caller = self._identify(token) if scheme.lower() == b"bearer" and token else None
        if caller is None:
            text = "the bearer token is missing or wrong"
            step = (
                "Send `Authorization: Bearer` with the content of the file run/token, or with a token"
                " of `atos-client token add`."
            )
            raise Refusal(401, "unauthorized", text, step)
        if bridged and caller.name == DEFAULT:
            text = "the token in run/token is for this machine alone, not for containers"
            step = "Give the container its own: atos-client token add NAME"
            raise Refusal(403, "unauthorized", text, step)
        if seconds := self._limit.wait(caller.name):
            raise _too_many(caller, seconds)
        if _length(headers.get(b"content-length", b"0")) > MAX_BODY_BYTES:
            raise _too_large()
        return token, caller


def _is_bridged(scope: Message) -> bool:
    """Tell whether a request came to another address than loopback."""
    server = scope.get("server") or ("127.0.0.1", 0)
    return not str(server[0]).startswith("127.") and str(server[0]) != "::1"


class _Body:
    """Counts and times a request's body, because one without a length may be of any length."""

    def __init__(self, app: App, receive: Receive, send: Send) -> None:
        self._app, self._receive, self._send = app, receive, send
        self._size = 0
        self._answered = self._refused = self._complete = self._finished = False
        self._whole, self._gone = anyio.Event(), anyio.Event()
        self._deadline = anyio.current_time() + BODY_SECONDS

    async def run(self, scope: Message) -> None:
        """Run the app until it is done, or the client has gone away before its answer was complete."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_gone, tasks.cancel_scope)
            try:
                await self._app(scope, self._counted, self._noted)
            except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _until_gone(self, scope: anyio.CancelScope) -> None:
        """Cancel `scope` when the client goes away before it has its answer.

        What is done after a complete answer goes on: the SSE transport hands on a message only then.
        """
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()
        if not self._finished:
            scope.cancel()

    async def _counted(self) -> Message:
        if self._refused:
            return {"type": "http.disconnect"}
        if self._complete:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message: Message | None = None
        with anyio.CancelScope(deadline=self._deadline):
            message = await self._receive()
        if message is None:
            return await self.refuse(_too_slow())
        self._complete = not message.get("more_body", False)
        if self._complete:
            self._whole.set()
        self._size += len(message.get("body", b""))
        return message if self._size <= MAX_BODY_BYTES else await self.refuse(_too_large())

    async def refuse(self, refusal: Refusal) -> Message:
        """Answer so, if nothing was answered yet; what comes from the app afterwards is dropped."""
        self._refused = True
        if not self._answered:
            await _answer(self._send, refusal)
        return {"type": "http.disconnect"}

    async def _noted(self, message: Message) -> None:
        self._answered = True
        self._finished |= message["type"] == "http.response.body" and not message.get("more_body")
        if not self._refused:
            await self._send(message)


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise Refusal(400, "bad_request", "the Content-Length is not a number", "Send a number.")
    return int(value[:20])


def _not_valid_now() -> Refusal:
    return Refusal(401, "unauthorized", "this token is not valid any more", "Ask for another one.")


def _too_many(caller: Caller, seconds: float) -> Refusal:
    text = f"{caller.name} has made more requests than ATOS_HTTP_RATE allows"
    step = f"Go on after {seconds:.1f} s; follow goals with wait_goal, which waits by itself."
    after = [(b"retry-after", str(math.ceil(seconds)).encode())]
    return Refusal(429, "busy", text, step, after)


def _too_large() -> Refusal:
    text = f"a request body may have {MAX_BODY_BYTES} bytes at most"
    return Refusal(413, "bad_request", text, "Send less, or use the stdio shim.")


def _too_slow() -> Refusal:
    text = f"the request body did not come within {BODY_SECONDS:.0f} s"
    return Refusal(408, "deadline", text, "Send it at once.")


async def _answer(send: Send, refusal: Refusal) -> None:
    # closed, because a caller without the token must not hold a connection
    headers = [
        (b"content-type", b"application/json"),
        (b"connection", b"close"),
        *refusal.headers,
    ]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="atos"'))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(refusal.body).encode()})


async def _empty(send: Send, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send, headers: Headers) -> Send:
    """Return `send` that adds headers to the answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await send(message)

    return sending
