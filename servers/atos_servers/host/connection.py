"""The client of the current request, and the directories that it may access.

A stdio client names its directories when it starts, as the reference filesystem server's clients do.
The host sets them here before it serves the connection, and every task that a request starts inherits
them. HTTP clients name none and get the workspaces folder.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from atos_protocol.host_protocol import Opening
from atos_protocol.settings import load_settings

Client = Literal["shim", "python", "cli", "worker", "http"]
"""A model's host (`shim`, `http`), or a program that opens the socket itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known about the client."""

    client: Client = "http"
    roots: tuple[Path, ...] = ()
    """Absolute directories that it may access; empty means the workspaces folder."""


def connection_of(opening: Opening) -> Connection:
    """Return what an opening line says of the peer."""
    client = cast("Client", opening.client)  # `parse_opening` lets no other one pass
    return Connection(client=client, roots=tuple(map(Path, opening.roots)))


_HTTP = Connection()
_current: ContextVar[Connection] = ContextVar("atos_connection", default=_HTTP)


def roots() -> tuple[Path, ...]:
    """Return the absolute directories that this connection may access; never empty."""
    return _current.get().roots or (load_settings().workspaces,)


def client() -> Client:
    """Return the kind of client at the other end."""
    return _current.get().client


@contextmanager
def connected(connection: Connection) -> Generator[None]:
    """Serve this client's requests while the block runs."""
    token = _current.set(connection)
    try:
        yield
    finally:
        _current.reset(token)
