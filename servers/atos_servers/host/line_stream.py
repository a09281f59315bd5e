"""Lines over one Unix socket: read in one turn of the event loop, written from any thread.

socket -> callback --(taken at once)--> whoever takes lines (direct calls)
'-----(all others)-----> receive

send, from a task -------> what the socket takes at once --> flush writes the rest
write, from any thread --^
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - anyio has no callback for what can be read, and a turn of the loop costs as much as a call
import contextlib
import socket
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable

import anyio
from anyio.abc import SocketAttribute, SocketStream

from atos_protocol.host_protocol import MAX_LINE_BYTES, LineSplitter

CHUNK = 1 << 16

Take = Callable[[bytes], bool]
"""Takes a line, in the event loop and without waiting; False leaves it to `receive`."""


class LineStream:
    """Lines of limited length over a socket.

    Args:
        stream: a `UNIXSocketStream`, which leaves its socket alone while nobody reads or writes by it; it stays the
            owner of the socket.
        limit: longest line, in bytes.
    """

    def __init__(self, stream: SocketStream, limit: int = MAX_LINE_BYTES) -> None:
        self._socket = stream.extra(SocketAttribute.raw_socket)
        self._splitter = LineSplitter(limit)
        self._ready = deque[bytes | None]()
        self._ended = False
        self._take: Take = lambda _line: False
        self._unsent = bytearray()
        self._guard = threading.Lock()
        self._flushing = anyio.Lock()

    def divert(self, take: Take) -> None:
        """Offer every line that comes to `take` first."""
        self._take = take

    async def receive(self) -> bytes | None:
        """Return the next line that nobody took; None stands for one that was too long.

        Raises:
            EndOfStream: the peer has closed its end.
        """
        if not self._ready and not self._ended:
            await self._arrival()
        if not self._ready:
            raise anyio.EndOfStream
        return self._ready.popleft()

    async def received(self) -> AsyncGenerator[bytes | None]:
        """Yield lines until the peer closes its end."""
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                yield await self.receive()

    async def send(self, line: bytes) -> None:
        """Write one line; a peer that is gone is not an error here, because reading ends too."""
        if not self.write(line):
            await self.flush()

    def write(self, line: bytes) -> bool:
        """Write one line as far as the socket takes it at once, from any thread.

        Returns:
            whether nothing is left, of this line or of earlier ones; else `flush` has to write the rest.
        """
        data = line + b"\n"
        with self._guard:
            if not self._unsent:
                data = data[self._send_now(data) :]
            self._unsent += data
            return not self._unsent

    async def flush(self) -> None:
        """Write what is left."""
        async with self._flushing:
            while self._unsent:
                try:
                    await anyio.wait_writable(self._socket)
                except (OSError, ValueError, anyio.ClosedResourceError):
                    self._unsent.clear()  # the socket was closed
                with self._guard:
                    del self._unsent[: self._send_now(bytes(self._unsent[:CHUNK]))]

    async def _arrival(self) -> None:
        """Read until there is a line for `receive`, or the end."""
        loop, place = asyncio.get_running_loop(), self._socket.fileno()
        if place < 0:
            self._ended = True
            return
        arrived = loop.create_future()
        loop.add_reader(place, self._read, arrived)
        try:
            await arrived
        finally:
            loop.remove_reader(place)

    def _read(self, arrived: asyncio.Future[None]) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._ended = not data
        for line in self._splitter.feed(data):
            if line is None or not self._take(line):
                self._ready.append(line)
        if (self._ready or self._ended) and not arrived.done():
            arrived.set_result(None)

    def _send_now(self, data: bytes) -> int:
        """Return how much was written; all of it where the peer is gone."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)
