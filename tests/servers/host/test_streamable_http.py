"""Sessions over streamable HTTP: for who opens one; everybody else is served without."""

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from fastmcp import Context, FastMCP
from inline_snapshot import snapshot
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http import EventMessage
from mcp.types import JSONRPCNotification

from atos_servers.host import streamable_http
from atos_servers.host.recent_events import RecentEvents
from atos_servers.host.streamable_http import Message, Receive, Send, StreamableHttp

pytestmark = pytest.mark.timeout(60)

HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "test", "version": "1"},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@dataclass
class Served:
    """A server over ASGI, and what one of its tools went through."""

    app: StreamableHttp
    running: anyio.Event
    cancelled: anyio.Event
    person: str = "anna"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve as the guard does: in somebody's name."""
        access = AccessToken(token="", client_id=self.person, scopes=[])
        await self.app({**scope, "user": AuthenticatedUser(access)}, receive, send)

    async def post(
        self, method: str, params: dict[str, Any] | None = None, *, session: str = "", id: int = 1
    ) -> httpx.Response:
        body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}
        return await self.send("POST", session, json=body)

    async def send(self, verb: str, session: str = "", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self)
        headers = {**ACCEPT, **({"mcp-session-id": session} if session else {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(verb, "/mcp", headers=headers, **more)

    async def opened(self) -> str:
        """Open a session; return its id."""
        answer = await self.post("initialize", HELLO)
        session = answer.headers["mcp-session-id"]
        notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self.send("POST", session, json=notice)
        return session


@asynccontextmanager
async def served() -> AsyncGenerator[Served]:
    server = FastMCP("test")
    running, cancelled = anyio.Event(), anyio.Event()

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def hang(context: Context) -> str:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return context.request_id

    app = StreamableHttp(server, "/mcp")
    async with app.running():
        yield Served(app, running, cancelled)


def text_of(answer: httpx.Response) -> str:
    """The text of a tool's result, in a stream or not."""
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    body = json.loads(lines[-1].removeprefix("data: ") if lines else answer.text)
    assert "result" in body, body
    return body["result"]["content"][0]["text"]


ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}


async def test_who_opens_a_session_goes_on_in_it_until_it_is_ended() -> None:
    async with served() as server:
        session = await server.opened()
        inside = await server.post("tools/call", ADD, session=session)
        ended = await server.send("DELETE", session)
        after = await server.post("tools/call", ADD, session=session)
    assert (text_of(inside), ended.status_code, after.status_code) == ("5", 200, 404)


async def test_no_session_is_needed_and_one_of_an_earlier_host_does_no_harm() -> None:
    async with served() as server:
        without = await server.post("tools/call", ADD)
        earlier = await server.post("tools/call", ADD, session="a" * 32)
    assert [text_of(answer) for answer in (without, earlier)] == ["5", "5"]
    assert "mcp-session-id" not in without.headers


async def test_beyond_so_many_sessions_a_client_is_served_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamable_http, "MOST_OPEN", 2)
    async with served() as server:
        answers = [await server.post("initialize", HELLO) for _ in range(3)]
        call = await server.post("tools/call", ADD)
    assert ["mcp-session-id" in answer.headers for answer in answers] == [True, True, False]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert text_of(call) == "5"


async def test_a_session_that_nobody_used_for_long_is_served_as_one_that_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served() as server:
        session = await server.opened()
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
        monkeypatch.setattr(streamable_http, "time", later)
        answer = await server.post("tools/call", ADD, session=session)
    assert (text_of(answer), "mcp-session-id" in answer.headers) == ("5", False)


async def test_a_session_is_of_no_use_to_somebody_else() -> None:
    async with served() as server:
        session = await server.opened()
        server.person = "bert"
        answer = await server.post("tools/call", ADD, session=session)
    assert answer.status_code == 404


async def until_running(server: Served, leave: Callable[[], None]) -> None:
    await server.running.wait()
    leave()


async def test_a_call_in_a_session_ends_with_its_client() -> None:
    async with served() as server:
        session = await server.opened()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_running, server, tasks.cancel_scope.cancel)
            await server.post("tools/call", {"name": "hang", "arguments": {}}, session=session)
        with anyio.fail_after(10):
            await server.cancelled.wait()
        still = await server.post("tools/call", ADD, session=session, id=2)
    assert text_of(still) == "5"


async def test_a_call_in_a_session_ends_when_its_client_says_so() -> None:
    params = {"requestId": 7}
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    hang: dict[str, Any] = {"name": "hang", "arguments": {}}
    async with served() as server:
        session = await server.opened()
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                await server.post("tools/call", hang, session=session, id=7)

            tasks.start_soon(call)
            await server.running.wait()
            await server.send("POST", session, json=notice)
            with anyio.fail_after(10):
                await server.cancelled.wait()
            tasks.cancel_scope.cancel()


async def test_a_stream_is_taken_up_behind_the_last_event_and_others_are_not_told() -> None:
    events = RecentEvents(kept=4)
    notices = [JSONRPCNotification(jsonrpc="2.0", method=f"n/{number}") for number in range(5)]
    begun = await events.store_event("mine", None)
    for number, notice in enumerate(notices):
        await events.store_event("mine" if number != 1 else "other", notice)
    told: list[tuple[str, str | None]] = []

    async def note(event: EventMessage) -> None:
        told.append((getattr(event.message, "method", ""), event.event_id))

    assert (
        await events.replay_events_after(begun, note) is None
    )  # four are kept, this is no more among them
    assert await events.replay_events_after("4", note) == "mine"
    assert told == snapshot([("n/3", "5"), ("n/4", "6")])
