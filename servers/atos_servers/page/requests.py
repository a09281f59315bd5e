"""What a request must look like before the page looks at it, and the replies that it gives. Pure.

The page's own origin is the only one that may call; a cross-site request is refused even without a session. A person may
come to the document from anywhere: it holds nothing, and `atos-client open` has the browser come from a file, which is
another site.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from atos_protocol.errors import AtosError, BadRequestError, UnauthorizedError

SECRET_HEADER = "x-atos-page"
MAX_BODY_BYTES = 1 << 20
"""Largest request body: a goal with its examples and a test file."""

POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Its headers as ASGI wants them."""
        every = {
            **SECURITY_HEADERS, "cache-control": "no-store", "content-type": self.kind,
            "content-length": str(len(self.body)), **self.headers,
        }  # fmt: skip
        return [(name.encode(), value.encode()) for name, value in every.items()]


def as_json(found: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, json.dumps(found, ensure_ascii=False).encode(), headers=headers or {})


def refused(error: AtosError) -> Reply:
    """Return the reply that carries an error: its code, what happened, what to do next."""
    return as_json({"error": error.to_wire()}, error.status)


def check_origin(headers: Mapping[str, str], port: int, *, document: bool) -> None:
    """Let a request pass that comes from this very page, or from no page at all.

    Args:
        headers: of the request.
        port: that the page is served at.
        document: whether the document is asked for, to which a tab may be led from another site.

    Raises:
        UnauthorizedError: it names another host (DNS rebinding), or another site's page sent it.
    """
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    host = headers.get("host", "").lower()
    if host not in hosts:
        message = "the page does not go by that name"
        raise UnauthorizedError(message, next_step="Run `atos-client open`.")
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    how = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    led_here = document and how == ("navigate", "document")
    ours = led_here or site in ("none", "same-origin")
    if (origin is not None and origin != f"http://{host}") or not ours:
        message = "requests of other sites are not accepted"
        raise UnauthorizedError(message, next_step="Run `atos-client open`.")


def cookie(headers: Mapping[str, str], name: str) -> str:
    """Return a cookie's value; empty where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        BadRequestError: there is none.
    """
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        message = "the body is no JSON object"
        raise BadRequestError(message, next_step="Reload the page.")
    return found  # pyright: ignore[reportUnknownVariableType] - JSON
