"""Connects the shim to a host: finds or starts one and exchanges the opening lines.

Standard library only. Imported when the first request needs a host, because it costs more than the rest
of the shim.
"""

from __future__ import annotations

import json
from socket import socket
from typing import Any

from atos_protocol.daemons import connect, ensure
from atos_protocol.errors import UnreachableError
from atos_protocol.host_protocol import LineSplitter, refused
from atos_protocol.settings import Settings, load_settings

HANDSHAKE_SECONDS = 10.0
"""How long a host may take to accept or refuse the connection."""

ATTEMPTS = 3
CHUNK = 1 << 16


def open_connection(opening: bytes) -> tuple[socket, LineSplitter, Any]:
    """Return a connection that the host has accepted.

    A host that ends before its reply was shutting down and has seen no request, so another is tried.

    Args:
        opening: the opening line of the connection.

    Returns:
        The connection; the splitter of its lines; and the host's answers to lists and handshakes, if
        they differ from the shim's manifest.

    Raises:
        AtosError: the host can't be started, or refuses.
    """
    settings = load_settings()
    for _ in range(ATTEMPTS):
        ensure("servers", settings)
        connection = connect("servers", settings, seconds=HANDSHAKE_SECONDS)
        splitter = LineSplitter()
        try:
            reply = _handshake(connection, opening, splitter)
        except OSError as error:
            connection.close()
            raise _unreachable(settings, f"did not accept the connection: {error}") from error
        if reply is None:
            connection.close()
            continue
        if (refusal := refused(reply)) is not None:
            connection.close()
            raise refusal
        return connection, splitter, reply["answers"]
    raise _unreachable(settings, f"ended {ATTEMPTS} times before it accepted the connection")


def _handshake(connection: socket, opening: bytes, splitter: LineSplitter) -> Any:
    """Send the opening line and return the host's reply; None if it ended instead."""
    try:
        connection.sendall(opening)
        while data := connection.recv(CHUNK):
            if lines := splitter.feed(data):
                return json.loads(lines[0] or b"{}")
    except (BrokenPipeError, ConnectionResetError):
        pass
    return None


def _unreachable(settings: Settings, what: str) -> UnreachableError:
    message = f"the server host at {settings.servers_socket} {what}"
    return UnreachableError(message, next_step=f"See {settings.logs / 'servers.log'}.")
