"""Web pages that may call: which origins, and what a browser wants to hear before it lets such a page read an answer.

None by default. A page still needs the token; a browser asks first without one (`OPTIONS`), and is told what it
may send. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]

SENT = b"authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id"
READ = b"mcp-protocol-version, mcp-session-id, retry-after, www-authenticate"
PREFLIGHT_SECONDS = b"600"


class WebOrigins:
    """The origins of the settings, compared as a whole: `http://localhost:6274`."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._known = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        """Tell whether pages of this origin may call."""
        return origin in self._known

    def asks(self, scope: Message, origin: bytes | None) -> bool:
        """Tell whether this is an allowed page's browser that asks before the request itself."""
        return scope.get("method") == "OPTIONS" and origin is not None and self.allows(origin)

    def preflight(self, origin: bytes) -> Headers:
        """Return the headers that answer such a question."""
        return [
            *self.readable(origin),
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", SENT),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]

    def readable(self, origin: bytes | None) -> Headers:
        """Return the headers with which a browser lets the page read an answer; none for anybody else."""
        if origin is None or not self.allows(origin):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", READ),
            (b"vary", b"origin"),
        ]
