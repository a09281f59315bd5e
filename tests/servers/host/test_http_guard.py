"""The guard of the HTTP routes: what it lets through, and in whose name."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from atos_servers.host import http_guard, revocation
from atos_servers.host.callers import Caller
from atos_servers.host.connection import client, owner, roots
from atos_servers.host.http_guard import MAX_BODY_BYTES, Guard, Message, Receive, Send

TOKEN = "a-token-that-is-long-enough-to-be-one"
HOST = ("host", "127.0.0.1:8756")
AUTH = ("authorization", f"Bearer {TOKEN}")

Headers = Sequence[tuple[str, str]]
PAIRS = [(name.encode(), value.encode()) for name, value in (HOST, AUTH)]


def only(presented: bytes) -> Caller | None:
    """Know one token."""
    return Caller("default") if presented == TOKEN.encode() else None


class Served:
    """An app behind the guard, and what came back through it."""

    def __init__(self, chunks: Sequence[bytes] = (b"",)) -> None:
        self.reached = False
        self.read = b""
        self.sent: list[Message] = []
        self._chunks = list(chunks)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        self.reached = True
        while (message := await receive())["type"] == "http.request":
            self.read += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive(self) -> Message:
        body = self._chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._chunks)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def ask(self, headers: Headers) -> int:
        guard = Guard(self.app, only, 8756)
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        scope: dict[str, Any] = {"type": "http", "headers": pairs, "path": "/vram/mcp"}
        await guard(scope, self.receive, self.send)
        return self.sent[0]["status"]

    @property
    def error(self) -> dict[str, str]:
        return json.loads(self.sent[1]["body"])["error"]


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, AUTH],
        [("host", "localhost:8756"), AUTH],
        [("host", "LOCALHOST:8756"), ("authorization", f"bearer {TOKEN}")],
        [("host", "[::1]:8756"), AUTH],
        [HOST, AUTH, ("sec-fetch-site", "none")],
        [HOST, AUTH, ("x-twice", "1"), ("x-twice", "2")],
    ],
)
async def test_a_program_with_the_token_comes_through(headers: Headers) -> None:
    served = Served()
    assert await served.ask(headers) == 200
    assert served.reached


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, [HOST]),
        (401, [HOST, ("authorization", "Bearer wrong")]),
        (401, [HOST, ("authorization", f"Bearer {TOKEN}x")]),
        (401, [HOST, ("authorization", "Bearer ")]),
        (401, [HOST, ("authorization", f"Basic {TOKEN}")]),
        (401, [HOST, ("authorization", TOKEN)]),
        (421, [AUTH]),
        (421, [("host", "127.0.0.1"), AUTH]),
        (421, [("host", "127.0.0.1:8757"), AUTH]),
        (421, [("host", "evil.example:8756"), AUTH]),
        (421, [("host", "127.0.0.1.evil.example:8756"), AUTH]),
        (403, [HOST, AUTH, ("origin", "http://evil.example")]),
        (403, [HOST, AUTH, ("origin", "http://localhost:8756")]),
        (403, [HOST, AUTH, ("origin", "null")]),
        (403, [HOST, AUTH, ("sec-fetch-site", "cross-site")]),
        (403, [HOST, AUTH, ("sec-fetch-site", "same-site")]),
        (400, [HOST, HOST, AUTH]),
        (400, [HOST, AUTH, AUTH]),
        (400, [HOST, AUTH, ("content-length", "ten")]),
        (413, [HOST, AUTH, ("content-length", str(MAX_BODY_BYTES + 1))]),
    ],
)
async def test_anything_else_is_refused_before_the_app(status: int, headers: Headers) -> None:
    served = Served()
    assert await served.ask(headers) == status
    assert not served.reached
    assert served.error.keys() == {"code", "message", "next"}


async def test_a_refusal_for_the_token_says_how_to_send_one() -> None:
    served = Served()
    await served.ask([HOST])
    assert dict(served.sent[0]["headers"])[b"www-authenticate"].startswith(b"Bearer")


async def test_a_listed_origin_comes_through() -> None:
    served = Served()
    guard = Guard(served.app, only, 8756, origins=["http://localhost:3000"])
    headers = [HOST, AUTH, ("origin", "http://localhost:3000")]
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    await guard({"type": "http", "headers": pairs}, served.receive, served.send)
    assert served.sent[0]["status"] == 200


PAGE = "http://localhost:3000"


async def asked_by_page(served: Served, method: str, headers: Headers) -> dict[bytes, bytes]:
    """Send a request of a page that the settings name; return the headers of the answer."""
    guard = Guard(served.app, only, 8756, origins=[PAGE])
    pairs = [(name.encode(), value.encode()) for name, value in [HOST, ("origin", PAGE), *headers]]
    scope = {"type": "http", "method": method, "headers": pairs}
    await guard(scope, served.receive, served.send)
    return dict(served.sent[0].get("headers", []))


async def test_a_browser_that_asks_for_a_listed_page_is_told_what_it_may_send() -> None:
    served = Served()
    told = await asked_by_page(served, "OPTIONS", [("sec-fetch-site", "cross-site")])
    assert served.sent[0]["status"] == 204
    assert told[b"access-control-allow-origin"] == PAGE.encode()
    assert b"authorization" in told[b"access-control-allow-headers"]
    assert not served.reached


async def test_a_listed_page_reads_answers_and_refusals_and_needs_the_token() -> None:
    served, refused = Served(), Served()
    told = await asked_by_page(served, "POST", [AUTH, ("sec-fetch-site", "cross-site")])
    assert (served.sent[0]["status"], told[b"access-control-allow-origin"]) == (200, PAGE.encode())
    told = await asked_by_page(refused, "POST", [])
    assert (refused.sent[0]["status"], told[b"access-control-allow-origin"]) == (401, PAGE.encode())
    assert not refused.reached


async def test_who_asks_for_too_much_is_told_when_to_go_on() -> None:
    served = Served()
    guard = Guard(served.app, only, 8756, rate=1)
    for _ in range(3):
        await guard({"type": "http", "headers": PAIRS}, served.receive, served.send)
        served = Served() if served.sent[0]["status"] == 200 else served
    assert served.sent[0]["status"] == 429
    assert dict(served.sent[0]["headers"])[b"retry-after"] == b"1"
    assert served.error["code"] == "busy"


async def test_a_body_without_a_length_is_cut_off_at_the_limit() -> None:
    chunk = b"x" * (1 << 20)
    served = Served([chunk] * 9)
    assert await served.ask([HOST, AUTH]) == 413
    assert len(served.read) <= MAX_BODY_BYTES
    assert [message["type"] for message in served.sent] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "BODY_SECONDS", 0.0)

    class Silent(Served):
        async def receive(self) -> Message:
            await anyio.sleep_forever()
            raise AssertionError

    served = Silent()
    with anyio.fail_after(5):
        assert await served.ask([HOST, AUTH]) == 408
    assert served.read == b""


async def test_the_end_of_the_connection_is_waited_for_without_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_guard, "BODY_SECONDS", 0.05)
    served, ended = Served(), anyio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        with anyio.move_on_after(0.2) as waiting:
            await receive()
        assert waiting.cancelled_caught
        ended.set()

    left = [True, False]

    async def receive() -> Message:
        if not left:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": b"", "more_body": left.pop(0)}

    pairs = [(name.encode(), value.encode()) for name, value in (HOST, AUTH)]
    await Guard(app, only, 8756)({"type": "http", "headers": pairs}, receive, served.send)
    assert ended.is_set()
    assert served.sent == []


async def test_who_is_refused_does_not_keep_the_connection() -> None:
    served = Served()
    await served.ask([HOST])
    assert dict(served.sent[0]["headers"])[b"connection"] == b"close"


async def test_a_websocket_is_closed() -> None:
    served = Served()
    guard = Guard(served.app, only, 8756)
    await guard({"type": "websocket", "headers": []}, served.receive, served.send)
    assert served.sent == [{"type": "websocket.close", "code": 1008}]
    assert not served.reached


async def test_a_request_is_served_in_the_name_of_its_caller() -> None:
    seen: list[object] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen.extend([owner(), client(), roots(), scope["user"].access_token.client_id])

    served = Served()
    workspaces = (Path("/srv/n8n"),)
    guard = Guard(app, lambda _: Caller("n8n", workspaces), 8756)
    await guard({"type": "http", "headers": PAIRS}, served.receive, served.send)
    assert seen == ["n8n", "http", workspaces, "n8n"]
    assert owner() == "", "and only this request"


@pytest.mark.parametrize("next_caller", [None, Caller("somebody-else")])
async def test_an_open_request_ends_when_its_token_is_not_the_callers_any_more(
    next_caller: Caller | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "LOOK_SECONDS", 0.01)
    answers = [Caller("n8n"), Caller("n8n"), next_caller]

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    served = Served()
    with anyio.fail_after(10):
        await Guard(app, lambda _: answers.pop(0), 8756)(
            {"type": "http", "headers": PAIRS}, served.receive, served.send
        )
    assert answers == []


async def test_an_app_that_fails_fails_as_itself() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    served = Served()
    with pytest.raises(ZeroDivisionError):
        await Guard(app, only, 8756)(
            {"type": "http", "headers": PAIRS}, served.receive, served.send
        )
