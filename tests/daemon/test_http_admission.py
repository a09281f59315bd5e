"""Connections of an HTTP server: who is silent or slow makes room for who is not."""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream
from starlette.types import Receive, Scope, Send

from atos_daemon.http_admission import Admission
from atos_daemon.http_server import HttpServer
from atos_daemon.runtime import listen_unix

REQUEST = b"GET / HTTP/1.1\r\nHost: atos\r\n\r\n"
ENDLESS = REQUEST.replace(b"/ ", b"/endless ", 1)
NEVER = 3600.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"2")] if scope["path"] == "/" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        await anyio.sleep_forever()
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(path: Path, admission: Admission) -> AsyncGenerator[None]:
    server = HttpServer(app, admission)
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve_on, listen_unix(path))
            yield
            server.stop()


async def closed(stream: SocketStream) -> None:
    """Return when the server has closed the connection."""
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return


async def drip(stream: SocketStream) -> None:
    """Send a header that never ends, one byte at a time."""
    with contextlib.suppress(anyio.BrokenResourceError):
        while True:
            await stream.send(b"X")
            await anyio.sleep(0.01)


async def answer(stream: SocketStream, request: bytes = REQUEST) -> bytes:
    await stream.send(request)
    got = b""
    while b"ok" not in got:
        got += await stream.receive()
    return got.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHos"], ids=["silent", "half of the headers"]
)
async def test_headers_that_do_not_come_in_time_end_the_connection(
    tmp_path: Path, begun: bytes
) -> None:
    async with (
        serving(tmp_path / "s", Admission(4, header_seconds=0.05)),
        await anyio.connect_unix(tmp_path / "s") as slow,
    ):
        await slow.send(begun)
        await closed(slow)


async def test_headers_that_come_byte_by_byte_win_no_time(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "s", Admission(4, header_seconds=0.2)),
        await anyio.connect_unix(tmp_path / "s") as slow,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(drip, slow)
        await closed(slow)
        tasks.cancel_scope.cancel()


async def test_a_second_request_has_a_deadline_too(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "s", Admission(4, header_seconds=0.1)),
        await anyio.connect_unix(tmp_path / "s") as stream,
    ):
        assert await answer(stream) == b"HTTP/1.1 200 OK"
        await anyio.sleep(0.2)  # at rest between two requests it may stay
        assert await answer(stream) == b"HTTP/1.1 200 OK"
        await stream.send(REQUEST[:9])
        await closed(stream)


async def test_an_answer_may_take_longer_than_headers(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "s", Admission(4, header_seconds=0.05)),
        await anyio.connect_unix(tmp_path / "s") as stream,
    ):
        assert await answer(stream, ENDLESS) == b"HTTP/1.1 200 OK"
        with anyio.move_on_after(0.2) as waited:
            await closed(stream)
        assert waited.cancelled_caught


async def test_beyond_the_limit_the_one_that_has_waited_longest_makes_room(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "s", Admission(2, header_seconds=NEVER)),
        await anyio.connect_unix(tmp_path / "s") as busy,
    ):
        assert await answer(busy, ENDLESS) == b"HTTP/1.1 200 OK"
        async with (
            await anyio.connect_unix(tmp_path / "s") as silent,
            await anyio.connect_unix(tmp_path / "s") as program,
        ):
            assert await answer(program) == b"HTTP/1.1 200 OK"
            await closed(silent)
            # nobody waits now, so it is the newcomer that has to go
            async with await anyio.connect_unix(tmp_path / "s") as newcomer:
                await closed(newcomer)
            assert await answer(program) == b"HTTP/1.1 200 OK"


async def test_what_is_not_http_is_answered_and_closed(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "s", Admission(2, header_seconds=NEVER)),
        await anyio.connect_unix(tmp_path / "s") as stream,
    ):
        await stream.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")
        await closed(stream)
