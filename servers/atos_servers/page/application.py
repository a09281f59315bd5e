"""The page's ASGI application: static files for everybody on this machine, the rest for known browsers.

    GET  /                     the page: one document, script, style sheet and picture
    POST /page/session         a code for a cookie and a secret
    POST /page/call            a tool of the five servers
    GET  /page/feed            what happens, as server-sent events
    GET  /page/changes         the diffs of one task
    GET  /page/decision        one decision of the scheduler, explained

Every answer forbids scripts, styles and requests of any other origin. What models wrote is data: it goes out as
JSON, and the page puts it into text nodes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import anyio
from fastmcp import FastMCP
from starlette.types import ASGIApp, Receive, Scope, Send

from atos.scheduler_client import SchedulerClient
from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    DeadlineError,
    NotFoundError,
    UnauthorizedError,
)
from atos_protocol.settings import Settings
from atos_servers.host.connection import Connection, connected
from atos_servers.page.access import SESSION_SECONDS, PageAccess
from atos_servers.page.assets import asset
from atos_servers.page.changes import changes
from atos_servers.page.feed import Feed, message
from atos_servers.page.requests import (
    MAX_BODY_BYTES,
    SECRET_HEADER,
    SECURITY_HEADERS,
    Reply,
    as_json,
    check_origin,
    cookie,
    read_object,
    refused,
)
from atos_servers.page.tools import PageTools

BODY_SECONDS = 30.0
PREFIX = "/page/"
FEED = "/page/feed"
PERSON = Connection("python")
"""Whoever holds the page's session is the person: all goals are theirs, and nobody cuts the replies."""

logger = logging.getLogger(__name__)


class Page:
    """Answers the page's routes, and hands every other one on."""

    def __init__(
        self,
        others: ASGIApp,
        suite: Mapping[str, FastMCP],
        settings: Settings,
        access: PageAccess,
        port: int,
        idle: IdleShutdown,
    ) -> None:
        self._idle = idle
        self._others, self._access = others, access
        self._tools = PageTools(suite)
        self._scheduler = SchedulerClient(settings, start=False)
        self._port = port
        self._routes: dict[tuple[str, str], Callable[[_Request], Awaitable[Reply]]] = {
            ("POST", "/page/session"): self._session,
            ("POST", "/page/call"): self._call,
            ("GET", "/page/changes"): self._changes,
            ("GET", "/page/decision"): self._decision,
        }

    async def aclose(self) -> None:
        """Drop the connection to the scheduler."""
        await self._scheduler.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/" or path.startswith(PREFIX)):
            return await self._others(scope, receive, send)
        request = _Request(scope, receive)
        with connected(PERSON), self._idle.use():
            try:
                document = request.method == "GET" and path == "/"
                check_origin(request.headers, self._port, document=document)
                if request.method == "GET" and path == FEED:
                    self._known(request)
                    return await self._feed(request, send)
                reply = asset(path) if request.method == "GET" else None
                reply = reply or await self._answer(request)
            except AtosError as error:
                reply = refused(error)
            except Exception:
                logger.exception("the page's %s failed", path)
                step = "Look at logs/servers.log."
                reply = refused(AtosError("the page failed here", next_step=step))
        await _send(send, reply)

    async def _answer(self, request: _Request) -> Reply:
        route = self._routes.get((request.method, request.path))
        if route is None:
            text = "there is no such page"
            raise NotFoundError(text, next_step="Go to /.")
        if route != self._session:
            self._known(request)
        return await route(request)

    def _known(self, request: _Request) -> None:
        given = cookie(request.headers, self._cookie), request.headers.get(SECRET_HEADER, "")
        self._access.check(*given)

    @property
    def _cookie(self) -> str:
        return f"atos_page_{self._port}"  # cookies know no ports: two homes must not overwrite each other's

    async def _session(self, request: _Request) -> Reply:
        session = self._access.redeem(str((await request.object()).get("code", "")))
        set_cookie = (
            f"{self._cookie}={session.cookie}; Path=/page; Max-Age={SESSION_SECONDS:.0f}; HttpOnly;"
            " SameSite=Strict"
        )
        return as_json({"secret": session.secret}, headers={"set-cookie": set_cookie})

    async def _call(self, request: _Request) -> Reply:
        asked = await request.object()
        arguments: Any = asked.get("arguments")
        if not isinstance(arguments, dict):
            text = "arguments must be an object"
            raise BadRequestError(text, next_step="Reload the page.")
        found = await self._tools.call(
            str(asked.get("server")),
            str(asked.get("tool")),
            arguments,  # pyright: ignore[reportUnknownArgumentType] - JSON
        )
        return as_json(found)

    async def _changes(self, request: _Request) -> Reply:
        goal, task = request.query("goal"), request.query("task")
        view = await self._tools.call("orchestrate", "get_goal", {"goal_id": goal})
        asked = {"goal_id": goal, "task_id": task}
        report = await self._tools.call("orchestrate", "get_task", asked)
        return as_json({"changes": await changes(view, report)})

    async def _decision(self, request: _Request) -> Reply:
        return as_json(await self._scheduler.decision(request.query("seq")))

    async def _feed(self, request: _Request, send: Send) -> None:
        """Stream until the page closes, or its session ends."""
        after = request.query("after") or "0"
        if not (after.isascii() and after.isdecimal()):
            text = f"{after[:20]!r} is no number"
            raise BadRequestError(text, next_step="Reload the page.")
        feed = Feed(self._tools, self._scheduler, lambda: self._known(request))
        streamed = {
            **SECURITY_HEADERS,
            "cache-control": "no-store",
            "content-type": "text/event-stream",
        }
        headers = [(name.encode(), value.encode()) for name, value in streamed.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        turn = anyio.Lock()

        async def tell(part: bytes) -> None:
            async with turn:
                await send({"type": "http.response.body", "body": part, "more_body": True})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_closed, request, tasks.cancel_scope.cancel)
            try:
                await feed.run(request.query("goal"), int(after), tell)
            except UnauthorizedError as error:
                await tell(message("ended", error.to_wire()))
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})


class _Request:
    """One request, its body read only where it is wanted."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.receive = receive
        self.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self._query = parse_qs(scope.get("query_string", b"").decode("latin-1"))

    def query(self, name: str) -> str:
        """Return a parameter; empty where it is missing."""
        return self._query.get(name, [""])[0]

    async def object(self) -> dict[str, Any]:
        """Return the JSON object in the body.

        Raises:
            BadRequestError: it is none, or too large.
            DeadlineError: it does not come.
        """
        body = b""
        try:
            with anyio.fail_after(BODY_SECONDS):
                while (part := await self.receive())["type"] == "http.request":
                    body += part.get("body", b"")
                    if len(body) > MAX_BODY_BYTES:
                        text = f"a request may have {MAX_BODY_BYTES} bytes at most"
                        raise BadRequestError(text, next_step="Use atos-client for more.")
                    if not part.get("more_body"):
                        break
        except TimeoutError as error:
            text = f"the request did not come within {BODY_SECONDS:.0f} s"
            raise DeadlineError(text, next_step="Reload the page.") from error
        return read_object(body)


async def _until_closed(request: _Request, end: Callable[[], None]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    end()


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.pairs})
    await send({"type": "http.response.body", "body": reply.body})
