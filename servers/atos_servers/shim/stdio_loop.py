"""The shim's shell: moves lines between stdin, stdout and the host's socket as the relay says.

Standard library only. The socket and the daemon's starter are imported when a host is needed.
After the client's end the answers that are still due are awaited; a signal ends it at once, and
the host then cancels what it was doing for this client.
"""

from __future__ import annotations

import os
import select
import time

from atos_protocol.host_protocol import LineSplitter, Opening
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
"""How long answers are awaited after the client's end; no call lasts longer than 45 s."""

LOST = {
    "code": "unreachable",
    "message": "the server host ended while it worked on this.",
    "next": "Ask again, which starts it anew. Goals go on: look at them with get_goal.",
}


class Pump:
    """One shim process at work."""

    def __init__(self, opening: bytes, answers: Answers) -> None:
        self._opening = opening
        self._relay = Relay(answers)
        self._client = LineSplitter()
        self._host = LineSplitter()
        self._socket: socket | None = None
        self._poller = select.poll()
        self._unsent = bytearray()
        self._deadline: float | None = None
        """When to stop waiting for answers; None while the client is there."""

    def run(self) -> None:
        """Pass lines until the client has ended and has its answers."""
        self._poller.register(STDIN, select.POLLIN)
        while self._deadline is None or self._due():
            for fd, _ in self._poller.poll(self._patience()):
                if fd == STDIN:
                    self._read_client()
                else:
                    self._read_host()
            self._flush()
            self._watch()

    def _watch(self) -> None:
        """Wait for what can go on: both ways at once, or two full pipes would wait for each other."""
        if self._deadline is None:
            full = len(self._unsent) > MOST_UNSENT
            self._poller.modify(STDIN, 0 if full else select.POLLIN)
        if self._socket is not None:
            wanted = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            self._poller.modify(self._socket, wanted)

    def _due(self) -> bool:
        """Tell whether the client, which has ended, still has an answer to come."""
        left = self._patience()
        return bool(left) and self._relay.linked and bool(self._relay.unanswered)

    def _patience(self) -> float | None:
        """Return the milliseconds to wait for the next event; None means for ever."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000

    def _read_client(self) -> None:
        data = os.read(STDIN, CHUNK)
        if not data:
            self._poller.unregister(STDIN)
            self._deadline = time.monotonic() + DRAIN_SECONDS
        for line in self._client.feed(data or b"\n"):  # a last line may lack its end
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
            self._lose()

    def _flush(self) -> None:
        """Write out what the relay wants said, linking to a host if it wants one."""
        self._tell_client()
        if self._relay.to_host and self._socket is None:
            self._link()
        for line in self._relay.to_host:
            self._unsent += line + b"\n"
        self._relay.to_host.clear()
        self._tell_host()
        self._tell_client()

    def _tell_host(self) -> None:
        if self._socket is None or not self._unsent:
            return
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._lose()

    def _tell_client(self) -> None:
        data = b"".join(line + b"\n" for line in self._relay.to_client)
        self._relay.to_client.clear()
        while data:
            data = data[os.write(STDOUT, data) :]

    def _link(self) -> None:
        """Find or start a host; without one, whoever waits for it is told why."""
        from atos_protocol.errors import AtosError
        from atos_servers.shim.host_connection import link

        try:
            self._socket, self._host, answers = link(self._opening)
        except AtosError as error:
            self._relay.unlink(error.to_wire())
        else:
            self._socket.setblocking(False)
            self._poller.register(self._socket, select.POLLIN)
            self._relay.link(answers)

    def _lose(self) -> None:
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.close()
            self._socket = None
        self._unsent.clear()
        self._relay.unlink(LOST)


def pump(opening: Opening, answers: Answers) -> None:
    """Serve one client over stdin and stdout until it ends.

    Args:
        opening: the first line to a host.
        answers: what can be answered without a host.
    """
    try:
        Pump(opening.line(), answers).run()
    except (BrokenPipeError, KeyboardInterrupt):
        return  # the client is gone
