"""The shim's I/O: passes lines between stdin, stdout and the host's socket as the relay decides.

Standard library only. The socket and the code that starts the host are imported when a host is needed.
After the client has closed stdin, outstanding replies are awaited; a signal ends the shim at once, and
the host then cancels what it was doing for this client.
"""

from __future__ import annotations

import os
import select
import time

from atos_protocol.host_protocol import LineSplitter, Opening
from atos_protocol.toolsets import Selection
from atos_servers.shim.relay import Relay

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` for it would cost more than all of this module
    from socket import socket

    from atos_servers.shim.relay import Answers

CHUNK = 1 << 16
MOST_UNSENT = 1 << 20
"""Bytes that may wait for the host before the client is no longer read."""

STDIN, STDOUT = 0, 1
DRAIN_SECONDS = 50.0
"""How long replies are awaited after stdin is closed; no call lasts longer than 45 s."""

HOST_ENDED = {
    "code": "unreachable",
    "message": "the server host ended during this call.",
    "next": "Call again, which restarts it. Goals continue: see get_goal.",
}


class StdioLoop:
    """Serves one client until it has closed stdin and has its replies."""

    def __init__(self, opening: Opening, answers: Answers) -> None:
        self._opening = opening.line()
        self._relay = Relay(answers, Selection(opening.tools, opening.read_only))
        self._client = LineSplitter()
        self._host = LineSplitter()
        self._socket: socket | None = None
        self._poller = select.poll()
        self._unsent = bytearray()
        self._polled = {STDIN: select.POLLIN}
        """What is polled for, by descriptor: asking the kernel anew costs as much as a line."""
        self._deadline: float | None = None
        """When to stop waiting for replies; None while stdin is open."""

    def run(self) -> None:
        """Run the loop."""
        self._poller.register(STDIN, select.POLLIN)
        while self._deadline is None or self._replies_due():
            for fd, _ in self._poller.poll(self._poll_timeout()):
                if fd == STDIN:
                    self._read_client()
                else:
                    self._read_host()
            self._flush()
            self._register()

    def _register(self) -> None:
        """Poll both ways at once, or two full pipes would wait for each other."""
        if self._deadline is None:
            full = len(self._unsent) > MOST_UNSENT
            self._poll_for(STDIN, 0 if full else select.POLLIN)
        if self._socket is not None:
            wanted = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            self._poll_for(self._socket.fileno(), wanted)

    def _poll_for(self, descriptor: int, wanted: int) -> None:
        if self._polled.get(descriptor) != wanted:
            self._poller.modify(descriptor, wanted)
            self._polled[descriptor] = wanted

    def _replies_due(self) -> bool:
        """Return whether replies to the client, which has closed stdin, are outstanding."""
        left = self._poll_timeout()
        return bool(left) and self._relay.state == "connected" and bool(self._relay.unanswered)

    def _poll_timeout(self) -> float | None:
        """Return the milliseconds to wait for the next event; None means no limit."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000

    def _read_client(self) -> None:
        data = os.read(STDIN, CHUNK)
        if not data:
            self._poller.unregister(STDIN)
            self._deadline = time.monotonic() + DRAIN_SECONDS
        for line in self._client.feed(data or b"\n"):  # a last line may lack its newline
            self._relay.from_client(line)

    def _read_host(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return  # it is only ready to be written to
        except OSError:
            data = b""
        for line in self._host.feed(data):
            self._relay.from_host(line)
        if not data:
            self._disconnect()

    def _flush(self) -> None:
        """Write what the relay wants to send, connecting to a host if it needs one."""
        self._write_client()
        if self._relay.to_host and self._socket is None:
            self._connect()
        for line in self._relay.to_host:
            self._unsent += line + b"\n"
        self._relay.to_host.clear()
        self._write_host()
        self._write_client()

    def _write_host(self) -> None:
        if self._socket is None or not self._unsent:
            return
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._disconnect()

    def _write_client(self) -> None:
        data = b"".join(line + b"\n" for line in self._relay.to_client)
        self._relay.to_client.clear()
        while data:
            data = data[os.write(STDOUT, data) :]

    def _connect(self) -> None:
        """Find or start a host; without one, fail the requests that wait for it."""
        from atos_protocol.errors import AtosError
        from atos_servers.shim.host_connection import open_connection

        try:
            self._socket, self._host, answers = open_connection(self._opening)
        except AtosError as error:
            self._relay.disconnected(error.to_wire())
        else:
            self._socket.setblocking(False)
            self._poller.register(self._socket, select.POLLIN)
            self._polled[self._socket.fileno()] = select.POLLIN
            self._relay.connected(answers)

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.close()
            self._socket = None
        self._unsent.clear()
        self._relay.disconnected(HOST_ENDED)


def serve_stdio(opening: Opening, answers: Answers) -> None:
    """Serve one client over stdin and stdout until it closes stdin.

    Args:
        opening: the first line to a host.
        answers: what can be answered without a host.
    """
    try:
        StdioLoop(opening, answers).run()
    except (BrokenPipeError, KeyboardInterrupt):
        return  # the client is gone
