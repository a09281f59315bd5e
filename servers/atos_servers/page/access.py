"""Who may use the page: a code that is good once, then a cookie and a secret that belong together.

    atos-client open -> code (60 s, once) -> POST /page/session -> cookie + secret -> every further request

A cookie goes to every port of the machine, so an application that ATOS deployed could read it. The secret does
not: the browser keeps it for this origin alone, and the page sends it as a header, which no other site can.
Both are derived from the token in `run/token`: they outlive the host, and end when that token is rotated.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from atos_protocol.errors import BadConfigError, UnauthorizedError
from atos_protocol.settings import Settings
from atos_protocol.tokens import read_private

CODE_SECONDS = 60.0
"""How long a code waits to be used."""
SESSION_SECONDS = 12 * 3600.0
"""How long a browser stays known."""
MOST_CODES = 16
OPEN = "Run `atos-client open` again: it opens the page with a new code."


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser gets for a code."""

    cookie: str
    """Value of the cookie, which scripts can't read."""
    secret: str
    """What the page's script sends as a header, which no other site can."""


class PageAccess:
    """Codes and sessions of one home."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._file = settings.token_file
        self._clock = clock
        self._codes: dict[str, float] = {}

    def new_code(self) -> str:
        """Return a code with which one browser may open the page once, within `CODE_SECONDS`."""
        code, now = secrets.token_urlsafe(24), self._clock()
        self._codes = {held: until for held, until in self._codes.items() if until > now}
        while len(self._codes) >= MOST_CODES:
            self._codes.pop(next(iter(self._codes)))
        self._codes[code] = now + CODE_SECONDS
        return code

    def redeem(self, code: str) -> Session:
        """Exchange a code for a session; the code is worth nothing afterwards.

        Raises:
            UnauthorizedError: it was used, is too old, or never was one.
        """
        if self._codes.pop(code, 0.0) <= self._clock():
            message = f"this code was used already, or is older than {CODE_SECONDS:.0f} s"
            raise UnauthorizedError(message, next_step=OPEN)
        until = f"{self._clock() + SESSION_SECONDS:.0f}"
        name = f"{until}.{secrets.token_urlsafe(12)}"
        return Session(f"{name}.{self._sign('cookie', name)}", self._sign("secret", name))

    def check(self, cookie: str, secret: str) -> None:
        """Let a session pass.

        Raises:
            UnauthorizedError: it is none, has ended, or cookie and secret don't belong together.
        """
        name, _, signature = cookie.rpartition(".")
        until = name.partition(".")[0]
        known = _same(signature, self._sign("cookie", name)) and _same(
            secret, self._sign("secret", name)
        )
        if not (name and known and until.isdigit() and float(until) > self._clock()):
            message = "this browser is not known"
            raise UnauthorizedError(message, next_step=OPEN)

    def _sign(self, purpose: str, name: str) -> str:
        try:
            key = read_private(self._file).strip().encode()
        except (OSError, BadConfigError) as error:
            message = f"{self._file} can't be read, so no browser is known"
            raise UnauthorizedError(message, next_step="See `atos-client doctor`.") from error
        return hmac.new(key, f"atos page {purpose} {name}".encode(), hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
