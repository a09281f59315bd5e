"""The address of a server outside, which may carry a password: what is shown of it never does.

The password is taken out once, here, and handed to the HTTP client beside the address (`outbound_http`), so no
request, error or log of that client contains it either. Pure, standard library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from atos_protocol import redaction
from atos_protocol.redaction import HIDDEN
from atos_protocol.settings import Settings


class ServerUrl:
    """An http or https URL; as text it has neither user, password, query nor fragment.

    Args:
        text: the URL as configured; "" names no server.
    """

    __slots__ = ("_credentials", "_given", "_shown", "_written", "address")

    def __init__(self, text: str) -> None:
        scheme, separator, rest = text.partition("://")
        given, rest = _parted(rest)
        user, _, password = given.partition(":")
        self._credentials = (unquote(user), unquote(password)) if given else None
        self._written = given
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
        import ipaddress  # the command line, which is waited for, asks none of this

        try:
            host = urlsplit(self.address).hostname or ""
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:  # another name, or no valid address at all
            return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of it nobody may read, in each form in which it travels: as written, as meant, as a header."""
        if self._credentials is None:
            return ()
        import base64

        user, password = self._credentials
        header = base64.b64encode(f"{user}:{password}".encode()).decode()
        return (self._written, password or user, header)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, for the HTTP client alone (`outbound_http`)."""
        return self._credentials


def learn_secrets(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Keep what the environment and the settings hold of secrets out of all that this process says."""
    redaction.learn_environment(environ)
    for url in settings.urls:
        redaction.learn(ServerUrl(url).secrets)


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
