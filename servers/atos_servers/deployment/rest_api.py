"""A REST API of others, as far as deployments need it: JSON in, JSON out, errors that a person can act on.

What only reads is asked again where the connection or the server fails; what writes is not: a deployment that was cut
off is run again, and looks at what is there before it writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio
import httpx

from atos_daemon import outbound_http
from atos_daemon.key_source import KeySource
from atos_protocol.errors import AtosError, NotFoundError, UnreachableError
from atos_protocol.redaction import redacted
from atos_protocol.server_url import ServerUrl

Json = dict[str, Any]
REQUEST_SECONDS = 20.0
READ_TRIES, FIRST_PAUSE = 3, 0.5
AGAIN = "Run it again: it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Service:
    """Whose API it is."""

    name: str
    """As people know it."""
    headers: Mapping[str, str]
    """Of every request."""
    refusal: Callable[[httpx.Response, str, str], AtosError]
    """Says what an answer means that is no success, from the answer, `METHOD path` and the token's place."""


class RestApi:
    """One server of such an API.

    Args:
        service: whose it is.
        url: of the server.
        key: the token; read for each request.
        log: a file to which each request is added with its status, without what it holds.
    """

    def __init__(self, service: Service, url: str, key: KeySource, log: Path | None = None) -> None:
        self._service, self.url, self.key, self._log = service, ServerUrl(url), key, log

    async def get(self, path: str, *, span: str = "", **query: str) -> Json:
        """Return what is there; a list as `{"items": [...]}`.

        Args:
            path: below the server's address.
            span: value of the header `Range`, for APIs that page by it.
            query: of the address.

        Raises:
            NotFoundError: nothing is, or the token may not see it.
            AtosError: the server can't be asked, or refuses.
        """
        pause = FIRST_PAUSE
        for _ in range(READ_TRIES - 1):
            try:
                return await self._asked("GET", path, query=query, span=span)
            except UnreachableError:
                await anyio.sleep(pause)
                pause *= 2
        return await self._asked("GET", path, query=query, span=span)

    async def find(self, path: str, **query: str) -> Json | None:
        """Return what is there, or None."""
        try:
            return await self.get(path, **query)
        except NotFoundError:
            return None

    async def post(self, path: str, body: Json | None = None) -> Json:
        """Make something.

        Raises:
            AtosError: it was not made, or nobody knows: the connection was cut.
        """
        return await self._asked("POST", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Change something.

        Raises:
            AtosError: it was not changed, or nobody knows: the connection was cut.
        """
        return await self._asked("PATCH", path, body=body)

    def note(self, text: str) -> None:
        """Add lines to the deployment's log."""
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {redacted(text)}\n")

    async def _asked(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        span: str = "",
    ) -> Json:
        name, headers = self._service.name, dict(self._service.headers)
        headers |= {"range": span} if span else {}
        try:
            async with outbound_http.async_client(
                self.url, REQUEST_SECONDS, key=self.key
            ) as client:
                answer = await client.request(
                    method, quote(path), json=body, params=query or None, headers=headers
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.note(f"{method} {path}: {type(error).__name__}")
            message = f"{name} does not answer ({method} {path}): {type(error).__name__}"
            raise UnreachableError(message, next_step=AGAIN) from error
        self.note(f"{method} {path}: {answer.status_code}")
        if not answer.is_success:
            raise self._service.refusal(answer, f"{method} {path}", self.key.place)
        try:
            found = answer.json()
        except ValueError as error:
            message = f"{name}'s answer to {method} {path} is no JSON"
            raise UnreachableError(message, next_step=AGAIN) from error
        return cast("Json", found) if isinstance(found, dict) else {"items": found}


@contextmanager
def saying_what_was_done(done: Sequence[str]) -> Generator[None]:
    """Have an error say what was done before it, so that nothing is left half done unsaid."""
    try:
        yield
    except AtosError as error:
        if not done:
            raise
        message = f"{error.message}. Done before that: {', '.join(done)}"
        raise type(error)(message, next_step=error.next_step) from error
