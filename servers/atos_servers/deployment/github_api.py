"""GitHub's REST API: how it is asked, and what its refusals mean."""

from __future__ import annotations

import time
from typing import cast

import httpx

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
from atos_servers.deployment.rest_api import AGAIN, Json, Service

HEADERS = {
    "accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28", "user-agent": "atos",
}  # fmt: skip


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


GITHUB = Service("GitHub", HEADERS, refusal)
