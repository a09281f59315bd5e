"""Which directories the present connection may touch.

A stdio client names its directories when it starts, as the reference filesystem server's do; the
host puts them here before it serves the connection, and everything the connection's requests spawn
inherits them. Over HTTP nobody names any, so the workspaces folder stands.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from atos.scheduler.settings import load_settings

_roots: ContextVar[tuple[Path, ...]] = ContextVar("atos_connection_roots")


def roots() -> tuple[Path, ...]:
    """Return the absolute directories that this connection may touch; never empty."""
    try:
        return _roots.get()
    except LookupError:
        return (load_settings().workspaces,)


@contextmanager
def connection_roots(directories: tuple[Path, ...]) -> Generator[None]:
    """Serve a connection whose client named these directories."""
    token = _roots.set(directories)
    try:
        yield
    finally:
        _roots.reset(token)
