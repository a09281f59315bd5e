"""Heroku's Platform API: how it is asked, and what its refusals mean."""

from __future__ import annotations

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

HEADERS = {"accept": "application/vnd.heroku+json; version=3", "user-agent": "atos"}
NEWEST = "version ..; order=desc,max=30"
"""The newest releases, as Heroku pages a list."""
LIMIT_SECONDS = 60
"""What Heroku takes to give back some of what a token may ask."""


def refusal(answer: httpx.Response, asked: str, place: str) -> AtosError:
    """Return what an answer means that is no success. Pure."""
    status, said = answer.status_code, _said(answer)
    if status == 401:
        message = "Heroku refuses the token: it is wrong, expired or revoked"
        step = f"Make another one (heroku authorizations:create), and write it to {place}."
        return UnauthorizedError(message, next_step=step)
    if status == 402:
        message = f"Heroku wants to be paid first ({asked}): {said}"
        return RefusedError(message, next_step="See the billing page of the account at Heroku.")
    if status == 403:
        message = f"the token may not do that ({asked}): {said}"
        return RefusedError(
            message, next_step="The app may be somebody else's: name another, --to APP."
        )
    if status == 404:
        message = f"Heroku knows nothing there ({asked})"
        return NotFoundError(message, next_step="Check the app's name, and whose token it is.")
    if status in {409, 422}:
        message = f"Heroku refuses it ({asked}): {said}"
        return ConflictError(message, next_step="See the deployment's log, then plan it again.")
    if status == 429:
        message = f"Heroku's rate limit is reached ({asked})"
        return BusyError(message, next_step=f"Wait {LIMIT_SECONDS} s. {AGAIN}")
    if status >= 500:
        message = f"Heroku fails with {status} ({asked})"
        return UnreachableError(message, next_step=AGAIN)
    message = f"Heroku answers {status} ({asked}): {said}"
    return BadRequestError(message, next_step="Check ATOS_HEROKU_URL.")


def _said(answer: httpx.Response) -> str:
    try:
        return str(cast("Json", answer.json()).get("message") or "no reason given")[:400]
    except (ValueError, AttributeError):
        return "no reason given"


HEROKU = Service("Heroku", HEADERS, refusal)
