"""The client of the current request, and the directories that it may access.

A stdio client names its directories when it starts, as the reference filesystem server's clients do.
The host sets them here before it serves the connection, and every task that a request starts inherits
them. HTTP clients name none: they get what their token was given, or else what the settings allow: the
workspaces folder and `ATOS_DIRECTORIES`.
What that means for a path is decided by `Confinement`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from atos_protocol.host_protocol import Opening
from atos_protocol.settings import home_directory, load_settings
from atos_protocol.toolsets import Selection
from atos_servers.host.confinement import Confinement, Reach

Client = Literal["shim", "python", "cli", "worker", "http"]
"""A model's host (`shim`, `http`), or a program that opens the socket itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known about the client."""

    client: Client = "http"
    roots: tuple[Path, ...] = ()
    """Absolute directories that it may access; empty means what the settings allow."""
    token: str = ""
    """Name of the token that an HTTP client presented; empty for who opened the Unix socket: the person."""
    selection: Selection = field(default_factory=Selection)
    """Which tools of the server `all` it wants."""
    is_welcome: Callable[[], bool] | None = field(default=None, compare=False)
    """Tells whether its token is still valid; None where it came without one."""


def connection_of(opening: Opening) -> Connection:
    """Return what an opening line says of the peer."""
    client = cast("Client", opening.client)  # `parse_opening` lets no other one pass
    selected = Selection(opening.tools, opening.read_only)
    return Connection(client, tuple(map(Path, opening.roots)), selection=selected)


MODEL_CLIENTS: tuple[Client, ...] = ("shim", "http")
"""Behind these a model reads the reply, so its size is bounded; programs get the whole."""

REACH: dict[Client, Reach] = {"cli": "person", "python": "library", "worker": "worker"}
"""The person's own programs and ATOS itself: nobody else can open the socket. A model may be behind all
others."""

_HTTP = Connection()
_current: ContextVar[Connection] = ContextVar("atos_connection", default=_HTTP)

KEPT_SECONDS = 1.0
"""How long what the settings allow is kept: reading them costs as much as reading a file for a model."""


@dataclass(slots=True)
class _Kept:
    """A connection's confinement and when it was made, in monotonic seconds."""

    confinement: Confinement | None = None
    made_at: float = 0.0


_kept: ContextVar[_Kept | None] = ContextVar("atos_confinement", default=None)


def roots() -> tuple[Path, ...]:
    """Return the absolute directories that this connection may access; never empty."""
    return confinement().directories


def confinement() -> Confinement:
    """Return what decides where this connection's tools may read and write; at most a second old."""
    if (kept := _kept.get()) is None:
        return _confinement()
    now = time.monotonic()
    if kept.confinement is None or now - kept.made_at > KEPT_SECONDS:
        kept.confinement, kept.made_at = _confinement(), now
    return kept.confinement


def _confinement() -> Confinement:
    settings, current = load_settings(), _current.get()
    return Confinement(
        directories=current.roots
        or (settings.workspaces, *settings.directories, *settings.read_only_directories),
        read_only=settings.read_only_directories,
        home=settings.home,
        workspaces=settings.workspaces,
        person=home_directory(),
        reach=REACH.get(current.client, "named"),
    )


def client() -> Client:
    """Return the kind of client at the other end."""
    return _current.get().client


def owner() -> str:
    """Return whose goals this connection may see: a token's name, or "" for the person, who sees all."""
    return _current.get().token


def selection() -> Selection:
    """Return which tools of the server `all` this connection wants."""
    return _current.get().selection


def has_token() -> bool:
    """Tell whether the client came with a token, which may be revoked during a call."""
    return _current.get().is_welcome is not None


def is_welcome() -> bool:
    """Tell whether the client may still be served."""
    ask = _current.get().is_welcome
    return ask is None or ask()


@contextmanager
def connected(connection: Connection) -> Generator[None]:
    """Serve this client's requests while the block runs."""
    token, kept = _current.set(connection), _kept.set(_Kept())
    try:
        yield
    finally:
        _kept.reset(kept)
        _current.reset(token)
