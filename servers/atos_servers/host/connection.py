"""Whom the present request comes from, and which directories it may touch.

A stdio client names its directories when it starts, as the reference filesystem server's do; the
host puts them here before it serves the connection, and everything the connection's requests spawn
inherits them. Over HTTP nobody names any, so the workspaces folder stands.
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
"""Who speaks: a model's host (`shim`, `http`) or a program that opens the socket itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of the peer."""

    client: Client = "http"
    roots: tuple[Path, ...] = ()
    """Absolute directories that it named; empty means the workspaces folder."""


def connection_of(opening: Opening) -> Connection:
    """Return what an opening line says of the peer."""
    client = cast("Client", opening.client)  # `parse_opening` lets no other one pass
    return Connection(client=client, roots=tuple(map(Path, opening.roots)))


_HTTP = Connection()
_current: ContextVar[Connection] = ContextVar("atos_connection", default=_HTTP)


def roots() -> tuple[Path, ...]:
    """Return the absolute directories that this connection may touch; never empty."""
    return _current.get().roots or (load_settings().workspaces,)


def client() -> Client:
    """Return who speaks over this connection."""
    return _current.get().client


@contextmanager
def connected(connection: Connection) -> Generator[None]:
    """Serve everything inside on behalf of this peer."""
    token = _current.set(connection)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def connection_roots(directories: tuple[Path, ...]) -> Generator[None]:
    """Serve a connection whose client named these directories."""
    with connected(Connection(client=client(), roots=directories)):
        yield
