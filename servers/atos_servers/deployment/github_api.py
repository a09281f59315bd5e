"""GitHub's REST API, as far as deployments need it: JSON in, JSON out, errors that a person can act on.

What only reads is asked again where the connection or GitHub fails; what writes is not: a deployment that was cut off
is run again, and looks at what is there before it writes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio
import httpx

from atos_daemon import outbound_http
from atos_daemon.key_source import KeySource
from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    BusyError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnreachableError,
)
from atos_protocol.redaction import redacted
from atos_protocol.server_url import ServerUrl

Json = dict[str, Any]
REQUEST_SECONDS = 20.0
READ_TRIES, FIRST_PAUSE = 3, 0.5
AGAIN = "Run it again: it goes on where it stopped."
HEADERS = {
    "accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28", "user-agent": "atos",
}  # fmt: skip


class GitHubApi:
    """One server of GitHub's API.

    Args:
        url: `https://api.github.com`, or that of an Enterprise server.
        key: the token; read for each request.
        log: a file to which each request is added with its status, without what it holds.
    """

    def __init__(self, url: str, key: KeySource, log: Path | None = None) -> None:
        self.url, self.key, self._log = ServerUrl(url), key, log

    async def get(self, path: str, **query: str) -> Json:
        """Return what is there.

        Raises:
            NotFoundError: nothing is, or the token may not see it.
            AtosError: GitHub can't be asked, or refuses.
        """
        pause = FIRST_PAUSE
        for _ in range(READ_TRIES - 1):
            try:
                return await self._asked("GET", path, query=query)
            except UnreachableError:
                await anyio.sleep(pause)
                pause *= 2
        return await self._asked("GET", path, query=query)

    async def find(self, path: str, **query: str) -> Json | None:
        """Return what is there, or None."""
        try:
            return await self.get(path, **query)
        except NotFoundError:
            return None

    async def post(self, path: str, body: Json) -> Json:
        """Make something.

        Raises:
            AtosError: it was not made, or nobody knows: the connection was cut.
        """
        return await self._asked("POST", path, body=body)

    def note(self, text: str) -> None:
        """Add a line to the deployment's log."""
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {redacted(text)}\n")

    async def _asked(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Json:
        try:
            async with outbound_http.async_client(
                self.url, REQUEST_SECONDS, key=self.key
            ) as client:
                answer = await client.request(
                    method, quote(path), json=body, params=query or None, headers=HEADERS
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.note(f"{method} {path}: {type(error).__name__}")
            message = f"GitHub does not answer ({method} {path}): {type(error).__name__}"
            raise UnreachableError(message, next_step=AGAIN) from error
        self.note(f"{method} {path}: {answer.status_code}")
        if not answer.is_success:
            raise refusal(answer, f"{method} {path}", self.key.place)
        try:
            found = answer.json()
        except ValueError as error:
            message = f"GitHub's answer to {method} {path} is no JSON"
            raise UnreachableError(message, next_step=AGAIN) from error
        return cast("Json", found) if isinstance(found, dict) else {"items": found}


def refusal(answer: httpx.Response, asked: str, place: str) -> AtosError:
    """Return what an answer means that is no success. Pure."""
    status, said = answer.status_code, _said(answer)
    if status == 401:
        message = "GitHub refuses the token: it is wrong, expired or revoked"
        step = f"Make another one at github.com/settings/tokens, and write it to {place}."
        return UnauthorizedError(message, next_step=step)
    if status == 429 or (status == 403 and _is_limit(answer)):
        message = f"GitHub's rate limit is reached ({asked})"
        return BusyError(message, next_step=f"Wait {_wait_s(answer)} s. {AGAIN}")
    if status == 403:
        message = f"the token may not do that ({asked}): {said}"
        step = "Give it the permissions Administration, Contents, Pages, Pull requests and Commit statuses."
        return RefusedError(message, next_step=step)
    if status == 404:
        message = f"GitHub knows nothing there ({asked}), or the token may not see it"
        return NotFoundError(message, next_step="Check the name, and the token's repositories.")
    if status in {409, 422}:
        message = f"GitHub refuses it ({asked}): {said}"
        return ConflictError(message, next_step="See the deployment's log, then plan it again.")
    if status >= 500:
        message = f"GitHub fails with {status} ({asked})"
        return UnreachableError(message, next_step=AGAIN)
    message = f"GitHub answers {status} ({asked}): {said}"
    return BadRequestError(message, next_step="Check ATOS_GITHUB_URL.")


def _said(answer: httpx.Response) -> str:
    try:
        body = cast("Json", answer.json())
        errors = cast("list[Json | str]", body.get("errors") or [])
        more = [
            each if isinstance(each, str) else str(each.get("message") or each) for each in errors
        ]
        return "; ".join([str(body.get("message", "")), *more])[:400]
    except (ValueError, AttributeError):
        return "no reason given"


def _is_limit(answer: httpx.Response) -> bool:
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    return spent or "retry-after" in answer.headers or "rate limit" in _said(answer).lower()


def _wait_s(answer: httpx.Response) -> int:
    after, reset = (
        answer.headers.get("retry-after", ""),
        answer.headers.get("x-ratelimit-reset", ""),
    )
    if after.isdigit():
        return int(after)
    return max(1, int(reset) - int(time.time())) if reset.isdigit() else 60
