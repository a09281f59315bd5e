"""What stands before a client's port: loopback is reachable by every web page on the machine.

A request must name a loopback host (DNS rebinding) and come from no page (`Origin`, or a fetch from
another site). Which port it came to says who asks. Where containers may call, they name the bridge.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.error_format import error_for

HOSTS = ("127.0.0.1", "localhost", "[::1]")


class ForbiddenError(AtosError):
    """The request comes from where none may come from."""

    code = "forbidden"
    status = 403


class LoopbackGuard:
    """Pure ASGI, outermost: lets a request through, or answers it with the API's own error."""

    def __init__(self, app: ASGIApp, bridge: tuple[str, ...] = ()) -> None:
        self._app = app
        self._hosts = (*HOSTS, *bridge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if refusal := refused(scope["headers"], self._hosts):
            await error_for(scope["path"], refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def refused(
    headers: list[tuple[bytes, bytes]], known: tuple[str, ...] = HOSTS
) -> ForbiddenError | None:
    """Return why a request is not served; None if it is."""
    found = {name.lower(): value.decode("latin-1") for name, value in headers}
    hosts = [value for name, value in headers if name.lower() == b"host"]
    host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
    if host.rsplit(":", 1)[0] not in known and host not in known:
        message = f"the request names the host {host[:60]!r}"
        return ForbiddenError(message, next_step=f"Name one of {', '.join(known)}.")
    if b"origin" in found or found.get(b"sec-fetch-site", "none") not in {"none", "same-origin"}:
        message = "the request comes from a web page"
        return ForbiddenError(message, next_step="Ask from a program instead.")
    return None
