"""The one place where HTTP clients are made: for servers outside, and for the sockets of our own processes.

What goes to this machine goes through no proxy of the environment, and neither does what goes to a Unix socket
(httpx would send that to `HTTP_PROXY` too, whatever its transport). Passwords are taken from the address, keys from a
`KeySource`; both are known to `redaction` from then on. Nothing follows a redirect unless it says so.
httpx and Ollama's package are imported when a client is made: 0.2 s and 0.5 s of a daemon's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from atos_daemon.key_source import KeySource
from atos_protocol import redaction
from atos_protocol.server_url import ServerUrl

if TYPE_CHECKING:
    import httpx
    import ollama

    Waits = httpx.Timeout | float | None


class Reach(TypedDict):
    """Arguments by which every client of httpx, and of Ollama's package, reaches a server."""

    auth: httpx.Auth | tuple[str, str] | None
    trust_env: bool
    """Whether the proxies of the environment are used; never for this machine itself."""


def reach(url: ServerUrl, key: KeySource | None = None) -> Reach:
    """Return how a client reaches a server; a key counts more than a password in the address."""
    redaction.learn(url.secrets)
    auth = _bearer(key) if key else url.credentials
    return {"auth": auth, "trust_env": not url.is_loopback}


def async_client(
    url: ServerUrl, timeout: Waits, *, base: str = "", key: KeySource | None = None
) -> httpx.AsyncClient:
    """Return a client of a server outside.

    Args:
        url: the server.
        timeout: seconds, or httpx's own kind.
        base: the address that paths are below, where it is not the server's.
        key: what it authenticates with.

    Raises:
        httpx.InvalidURL: the address is none.
    """
    import httpx

    return httpx.AsyncClient(base_url=base or url.address, timeout=timeout, **reach(url, key))


def client(url: ServerUrl, timeout: Waits, *, follow_redirects: bool = False) -> httpx.Client:
    """Return a client of a server outside, for code that runs in a thread or process of its own."""
    import httpx

    return httpx.Client(
        base_url=url.address, timeout=timeout, follow_redirects=follow_redirects, **reach(url)
    )


def ollama_async_client(url: ServerUrl) -> ollama.AsyncClient:
    """Return Ollama's own client; deadlines are the caller's."""
    import ollama

    return ollama.AsyncClient(host=url.address, timeout=None, **reach(url))


def ollama_client(url: ServerUrl, timeout: httpx.Timeout) -> ollama.Client:
    """Return Ollama's own client, for code that runs in a thread or process of its own."""
    import ollama

    return ollama.Client(host=url.address, timeout=timeout, **reach(url))


def async_unix_client(
    socket: Path, base: str, timeout: Waits, *, headers: Mapping[str, str], keep: int
) -> httpx.AsyncClient:
    """Return a client of a process of ours, which listens on a Unix socket.

    Args:
        socket: the socket's path.
        base: the address that paths are below; its host is only a name.
        timeout: seconds, or httpx's own kind.
        headers: sent with every request.
        keep: how many idle connections are kept.
    """
    import httpx

    limits = httpx.Limits(max_keepalive_connections=keep)
    transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits, trust_env=False)
    return httpx.AsyncClient(
        base_url=base, timeout=timeout, headers=headers, transport=transport, trust_env=False
    )


def unix_client(socket: Path, base: str, timeout: Waits) -> httpx.Client:
    """Return a client of a process of ours, for code that runs in a thread or process of its own."""
    import httpx

    transport = httpx.HTTPTransport(uds=str(socket), trust_env=False)
    return httpx.Client(base_url=base, timeout=timeout, transport=transport, trust_env=False)


def _bearer(key: KeySource) -> httpx.Auth:
    import httpx

    class BearerKey(httpx.Auth):
        """Reads the key for every request, so that one that was changed holds at once."""

        def auth_flow(self, request: httpx.Request):
            request.headers["authorization"] = f"Bearer {key.read()}"
            yield request

    return BearerKey()
