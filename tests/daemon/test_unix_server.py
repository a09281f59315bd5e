"""Accepting on a Unix socket: nothing that a caller does, and no lack of descriptors, ends it."""

import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from atos_daemon.runtime import listen_unix
from atos_daemon.unix_server import UnixServer

FULL = b"no room\n"


class Exhausted:
    """A listening socket whose first accepts fail as the system says."""

    def __init__(self, listener: socket.socket, *failures: int) -> None:
        self._listener = listener
        self._failures = list(failures)

    def accept(self) -> Any:
        if self._failures:
            number = self._failures.pop(0)
            raise OSError(number, os.strerror(number))
        return self._listener.accept()

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()


async def echo(stream: SocketStream) -> None:
    """Send back what comes; `boom` is too much for it."""
    async for data in stream:
        if data == b"boom":
            raise ValueError(data)
        await stream.send(data)


@asynccontextmanager
async def serving(path: Path, *failures: int, capacity: int = 8) -> AsyncGenerator[UnixServer]:
    listener: Any = Exhausted(listen_unix(path), *failures)
    server = UnixServer(listener, echo, capacity=capacity, refusal=FULL)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run)
            yield server
            while server.open:  # noqa: ASYNC110 - the callers have gone; AnyIO can't be cancelled as it hears of that
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()


async def answer(stream: SocketStream, text: bytes = b"hello") -> bytes:
    await stream.send(text)
    return await stream.receive()


async def test_it_is_still_there_when_descriptors_are_free_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s"
    async with serving(path, errno.EMFILE):
        async with await anyio.connect_unix(path) as told:
            assert await told.receive() == FULL  # by the descriptor that was reserved for this
        async with await anyio.connect_unix(path) as served:
            assert await answer(served) == b"hello"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_caller_who_can_not_even_be_refused_is_served_later(tmp_path: Path) -> None:
    path = tmp_path / "s"
    failures = (errno.EMFILE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED)
    async with serving(path, *failures), await anyio.connect_unix(path) as served:
        assert await answer(served) == b"hello"


async def test_a_caller_beyond_its_capacity_is_told_and_there_is_room_again_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    async with serving(path, capacity=1) as server:
        async with await anyio.connect_unix(path) as first:
            assert await answer(first) == b"hello"
            async with await anyio.connect_unix(path) as second:
                assert await second.receive() == FULL
            assert await answer(first) == b"hello"
        while server.open:  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.001)
        async with await anyio.connect_unix(path) as third:
            assert await answer(third) == b"hello"


async def test_a_connection_that_fails_ends_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s"
    async with serving(path), await anyio.connect_unix(path) as other:
        async with await anyio.connect_unix(path) as bad:
            await bad.send(b"boom")
            with pytest.raises(anyio.EndOfStream):
                await bad.receive()
        assert await answer(other) == b"hello"
    assert [record.getMessage() for record in caplog.records] == ["a connection failed"]


async def test_an_error_that_waiting_does_not_mend_is_raised(tmp_path: Path) -> None:
    listener: Any = Exhausted(listen_unix(tmp_path / "s"), errno.EBADF)
    server = UnixServer(listener, echo, capacity=1, refusal=FULL)
    async with await anyio.connect_unix(tmp_path / "s"):
        with pytest.raises(ExceptionGroup) as caught:
            await server.run()
    assert caught.group_contains(OSError, match=os.strerror(errno.EBADF))
