"""What all replies share: JSON lines, errors in Ollama's shape, and the client's going away.

A reply races the client's disconnect from its first moment: uvicorn does not end a handler whose
client went away while it waits, and waiting for a grant is exactly where a request spends its time.
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


def error_body(error: AtosError) -> Json:
    """Return an error in Ollama's shape, with ours beside it."""
    message = error.message.rstrip(".")
    text = f"{message}. {error.next_step}" if error.next_step else error.message
    return {"error": text, "atos": error.to_wire()}


def error_reply(error: AtosError) -> Response:
    """Return an error as a whole response."""
    return JSONResponse(error_body(error), status_code=error.status)


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_disconnect(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, but no longer than the client is there.

    Raises:
        AtosError: as `work` does, and not wrapped into a group.
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
