"""How the shim comes to a host: found or started, opened, and greeted. Standard library only.

Imported when the first request needs a host, because it costs more than the rest of the shim.
"""

from __future__ import annotations

import json
from socket import socket
from typing import Any

from atos_protocol.daemons import connect, ensure
from atos_protocol.errors import UnreachableError
from atos_protocol.host_protocol import LineSplitter, refused
from atos_protocol.settings import Settings, load_settings

GREETING_SECONDS = 10.0
"""How long a host may take to say whether it serves this connection."""

ATTEMPTS = 3
CHUNK = 1 << 16


def link(opening: bytes) -> tuple[socket, LineSplitter, Any]:
    """Return a connection that the host has accepted.

    A host that ends before its greeting was on its way out and has seen no request, so another is
    tried.

    Args:
        opening: the opening line of the connection.

    Returns:
        The connection; what splits the bytes that it sends; and what the host answers to lists and
        handshakes, if that differs from the shim's manifest.

    Raises:
        AtosError: the host can't be started, or refuses.
    """
    settings = load_settings()
    for _ in range(ATTEMPTS):
        ensure("servers", settings)
        connection = connect("servers", settings, seconds=GREETING_SECONDS)
        splitter = LineSplitter()
        try:
            greeting = _greeting(connection, opening, splitter)
        except OSError as error:
            connection.close()
            raise _silent(settings, f"did not greet: {error}") from error
        if greeting is None:
            connection.close()
            continue
        if (refusal := refused(greeting)) is not None:
            connection.close()
            raise refusal
        return connection, splitter, greeting["answers"]
    raise _silent(settings, f"ended {ATTEMPTS} times before it greeted")


def _greeting(connection: socket, opening: bytes, splitter: LineSplitter) -> Any:
    """Open the connection and return the host's first line; None if it ended instead."""
    try:
        connection.sendall(opening)
        while data := connection.recv(CHUNK):
            if lines := splitter.feed(data):
                return json.loads(lines[0] or b"{}")
    except (BrokenPipeError, ConnectionResetError):
        pass
    return None


def _silent(settings: Settings, what: str) -> UnreachableError:
    message = f"the server host at {settings.servers_socket} {what}"
    return UnreachableError(message, next_step=f"See {settings.logs / 'servers.log'}.")
