"""The address of a server outside, which may carry a password: what is shown of it never does.

The password is taken out once, here, and handed to the HTTP client beside the address, so no request, error or
log of that client contains it either.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TypedDict
from urllib.parse import unquote, urlsplit

HIDDEN = "***"


class Connection(TypedDict):
    """Arguments of `httpx.Client` and of Ollama's package by which every client reaches a server."""

    auth: tuple[str, str] | None
    trust_env: bool
    """Whether the proxies of the environment are used; never for this machine itself."""


class ServerUrl:
    """An http or https URL; as text it has neither user, password, query nor fragment.

    Args:
        text: the URL as configured; "" names no server.
    """

    __slots__ = ("_credentials", "_given", "_shown", "address")

    def __init__(self, text: str) -> None:
        scheme, separator, rest = text.partition("://")
        given, rest = _parted(rest)
        user, _, password = given.partition(":")
        self._credentials = (unquote(user), unquote(password)) if given else None
        self._given = bool(text)
        address = f"{scheme}{separator}{re.split('[?#]', rest)[0]}".rstrip("/")
        self._shown = self._without_password(address)
        self.address = address if _is_valid(address) else ""
        """The URL to connect to; "" where it is none, which no client can connect to."""

    def __bool__(self) -> bool:
        return self._given

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"ServerUrl({str(self)!r})"

    def _without_password(self, address: str) -> str:
        scheme, separator, rest = address.partition("://")
        _, at, shown = rest.rpartition("@")  # what precedes it may be part of a password
        return f"{scheme}{separator}{f'{HIDDEN}@' if self._credentials or at else ''}{shown}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        try:
            host = urlsplit(self.address).hostname or ""
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:  # another name, or no valid address at all
            return False

    @property
    def connection(self) -> Connection:
        """How an HTTP client reaches it, beside `address`."""
        return {"auth": self._credentials, "trust_env": not self.is_loopback}


def _is_valid(address: str) -> bool:
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False


def _parted(rest: str) -> tuple[str, str]:
    """Part what follows the scheme into user with password, and the rest.

    A password may hold what ought to be escaped: `user:p/w#d@host` is read as it is meant, since `user:p` is
    no host with a port.
    """
    authority = re.split("[/?#]", rest)[0]
    credentials, at, _ = authority.rpartition("@")
    if at:
        return credentials, rest[len(credentials) + 1 :]
    _, colon, port = authority.partition(":")
    if colon and not port.isdecimal() and not authority.startswith("["):
        credentials, _, after = rest.rpartition("@")
        return credentials, after
    return "", rest
