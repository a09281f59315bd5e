"""One control request to the scheduler, with the standard library alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from atos_protocol.daemons import connect
from atos_protocol.errors import UnreachableError, from_wire
from atos_protocol.settings import Settings

SECONDS = 150.0
"""Longest wait: models that are to leave memory may have two minutes of replies to end."""


def scheduler_call(
    settings: Settings, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the JSON that the scheduler answers.

    Raises:
        AtosError: as the scheduler answered, or `UnreachableError`.
    """
    connection, reply = open_call(settings, method, path, body, SECONDS)
    try:
        return checked(reply, reply.read())
    except (OSError, HTTPException) as error:
        message = f"the scheduler's answer broke off: {error}"
        raise UnreachableError(message, next_step="See logs/scheduler.log.") from error
    finally:
        connection.close()


def open_call(
    settings: Settings,
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    seconds: float,
) -> tuple[HTTPConnection, HTTPResponse]:
    """Send a request; return the connection and the reply, whose body is still to be read.

    Raises:
        UnreachableError: the scheduler does not answer.
    """
    connection = HTTPConnection("atos")
    connection.sock = connect("scheduler", settings)
    connection.sock.settimeout(seconds)
    try:
        content = None if body is None else json.dumps(body)
        # It may answer, and hang up, before it has read all.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, content, {"connection": "close"})
        return connection, connection.getresponse()
    except (OSError, HTTPException) as error:
        connection.close()
        message = f"the scheduler gave no answer: {error or type(error).__name__}"
        raise UnreachableError(message, next_step="See logs/scheduler.log.") from error


def checked(reply: HTTPResponse, raw: bytes) -> dict[str, Any]:
    """Return the object of an answer.

    Raises:
        AtosError: the answer is an error.
    """
    try:
        found: dict[str, Any] = json.loads(raw)
    except ValueError as error:
        message = f"the scheduler's answer is not understood: {raw[:100]!r}"
        raise UnreachableError(message, next_step="See logs/scheduler.log.") from error
    if reply.status >= 400:
        raise from_wire(found.get("atos", found))
    return found
