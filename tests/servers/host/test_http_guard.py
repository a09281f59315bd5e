"""The guard of the HTTP routes: what it lets through, and the file its token is kept in."""

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from atos_protocol.errors import BadConfigError
from atos_servers.host import http_guard
from atos_servers.host.http_guard import MAX_BODY_BYTES, Guard, Message, Receive, Send, read_token

TOKEN = "a-token-that-is-long-enough-to-be-one"
HOST = ("host", "127.0.0.1:8756")
AUTH = ("authorization", f"Bearer {TOKEN}")

Headers = Sequence[tuple[str, str]]


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
        guard = Guard(self.app, TOKEN, 8756)
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
    guard = Guard(served.app, TOKEN, 8756, origins=["http://localhost:3000"])
    headers = [HOST, AUTH, ("origin", "http://localhost:3000")]
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    await guard({"type": "http", "headers": pairs}, served.receive, served.send)
    assert served.sent[0]["status"] == 200


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
    await Guard(app, TOKEN, 8756)({"type": "http", "headers": pairs}, receive, served.send)
    assert ended.is_set()
    assert served.sent == []


async def test_who_is_refused_does_not_keep_the_connection() -> None:
    served = Served()
    await served.ask([HOST])
    assert dict(served.sent[0]["headers"])[b"connection"] == b"close"


async def test_a_websocket_is_closed() -> None:
    served = Served()
    guard = Guard(served.app, TOKEN, 8756)
    await guard({"type": "websocket", "headers": []}, served.receive, served.send)
    assert served.sent == [{"type": "websocket.close", "code": 1008}]
    assert not served.reached


def test_the_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    first = read_token(path)
    assert len(first) >= 32
    assert read_token(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_token_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    read_token(path)
    path.chmod(mode)
    with pytest.raises(BadConfigError, match="0600"):
        read_token(path)


def test_a_link_is_no_token(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    read_token(elsewhere)
    path = tmp_path / "token"
    path.symlink_to(elsewhere)
    with pytest.raises(BadConfigError, match="can't be used"):
        read_token(path)


def test_a_token_cut_short_by_a_crash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(BadConfigError, match="cut short"):
        read_token(path)
