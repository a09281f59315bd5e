"""The HTTP server of the daemons: it sleeps while nothing happens, and ends when it is told to."""

import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from atos_daemon.http_server import HttpServer
from atos_daemon.runtime import listen_unix

GOT = b"got it"


class Counted(HttpServer):
    """Counts how often uvicorn's loop wakes."""

    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, or begin an answer that never ends."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await anyio.sleep_forever()
    await send({"type": "http.response.body", "body": GOT})


@asynccontextmanager
async def serving(server: HttpServer, listener: socket.socket) -> AsyncGenerator[httpx.AsyncClient]:
    path = str(listener.getsockname())
    transport = httpx.AsyncHTTPTransport(uds=path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve_on, listener)
        async with httpx.AsyncClient(transport=transport, base_url="http://atos") as client:
            yield client
        server.stop()


async def test_it_answers_and_its_loop_never_wakes(tmp_path: Path) -> None:
    server = Counted(app)
    async with serving(server, listen_unix(tmp_path / "s")) as client:
        assert (await client.get("/")).content == GOT
        await anyio.sleep(0.35)  # uvicorn's own loop would have looked three times
        assert server.ticks == 1


async def test_stop_cancels_an_answer_that_does_not_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = HttpServer(app)
    with caplog.at_level(logging.WARNING), anyio.fail_after(5):
        async with (
            serving(server, listen_unix(tmp_path / "s")) as client,
            client.stream("GET", "/endless") as reply,
        ):
            assert reply.status_code == 200
            server.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                await reply.aread()
    assert caplog.records == []


async def test_after_the_stop_nobody_is_accepted(tmp_path: Path) -> None:
    server = HttpServer(app)
    async with serving(server, listen_unix(tmp_path / "s")) as client:
        await client.get("/")
        server.stop()
        with anyio.fail_after(5):
            while True:
                try:
                    await client.get("/")
                except httpx.TransportError:
                    break
                await anyio.sleep(0.01)
