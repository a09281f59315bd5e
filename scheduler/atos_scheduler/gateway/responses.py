"""What all responses share: JSON lines, errors in Ollama's format, and the client's disconnect.

A response races the client's disconnect from the start: uvicorn does not end a handler whose client
disconnected while it waits, and a request spends most of its time waiting for a grant.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from atos_protocol.errors import AtosError

Json = dict[str, Any]
NDJSON = [(b"content-type", b"application/x-ndjson")]


def encoded(body: Json) -> bytes:
    """Return one JSON line."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def error_text(error: AtosError) -> str:
    """Return an error and its next step as one text."""
    message = error.message.rstrip(".")
    return f"{message}. {error.next_step}" if error.next_step else error.message


def error_body(error: AtosError) -> Json:
    """Return an error in Ollama's format, with ours beside it."""
    return {"error": error_text(error), "atos": error.to_wire()}


def retry_headers(error: AtosError) -> dict[str, str]:
    """Return what tells the clients of OpenAI and Anthropic whether another try makes sense."""
    return {"x-should-retry": "true" if error.retry else "false"}


def error_response(error: AtosError) -> Response:
    """Return an error as a whole response."""
    return JSONResponse(error_body(error), status_code=error.status, headers=retry_headers(error))


async def disconnected(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_disconnect(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, and cancel it when the client disconnects.

    Raises:
        AtosError: as `work` does, not wrapped in an exception group.
    """
    failure: AtosError | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        await disconnected(receive)
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            await work()
        except AtosError as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
