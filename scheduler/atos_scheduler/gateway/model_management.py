"""Ollama's routes that change which models there are: pull, delete, copy, create, push.

The work is done by `python -m atos_scheduler.models` in a process of its own, as for `atos-client
models`; a pull is reported by the size of what has arrived.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import AtosError, EngineError, from_wire
from atos_scheduler.gateway.ollama_bodies import ModelBody
from atos_scheduler.gateway.options import refuse
from atos_scheduler.gateway.requests import read_body
from atos_scheduler.gateway.responses import (
    NDJSON,
    Json,
    encoded,
    error_body,
    error_response,
    until_disconnect,
)
from atos_scheduler.gateway.scheduler_state import SchedulerState

REPORT_SECONDS = 1.0
"""How often a pull that is streamed says that it goes on."""
NO_NEW = "models are fetched from their makers, and not made here"


class PullResponse(Response):
    """Fetches a model for as long as the client listens; what has arrived is kept."""

    def __init__(self, state: SchedulerState, model: str, *, stream: bool) -> None:
        super().__init__()
        self._state = state
        self._model = model
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond."""
        if self._stream:
            await until_disconnect(receive, lambda: self._lines(send))
            return
        try:
            await until_disconnect(receive, self._whole)
        except AtosError as error:
            await error_response(error)(scope, receive, send)
        else:
            await JSONResponse({"status": "success"})(scope, receive, send)

    async def _whole(self) -> None:
        async with aclosing(self._steps()) as steps:
            async for _ in steps:
                pass

    async def _lines(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": NDJSON})
        try:
            async with aclosing(self._steps()) as steps:
                async for step in steps:
                    part = {"type": "http.response.body", "body": encoded(step)}
                    await send(part | {"more_body": True})
            last: Json = {"status": "success"}
        except AtosError as error:
            last = error_body(error)
        await send({"type": "http.response.body", "body": encoded(last), "more_body": False})

    async def _steps(self) -> AsyncGenerator[Json]:
        """Run the pull; yield what Ollama would say meanwhile."""
        yield {"status": "pulling manifest"}
        done = anyio.Event()
        found: list[Json] = []

        async def work() -> None:
            found.append(await models_command("pull", self._model))
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            while not done.is_set():
                with anyio.move_on_after(REPORT_SECONDS):
                    await done.wait()
                if not done.is_set():
                    yield {"status": f"pulling {self._model}"}
        if "error" in found[0]:
            raise from_wire(found[0]["error"])
        await self._state.catalogue.refresh(0.0)
        yield {"status": "verifying sha256 digest"}


async def models_command(action: str, name: str) -> Json:
    """Return what `atos_scheduler.models` answers; killed if this is cancelled."""
    command = [sys.executable, "-m", "atos_scheduler.models", "--json", action, "--", name]
    done = await anyio.run_process(command, check=False, stdin=subprocess.DEVNULL)
    try:
        return json.loads(done.stdout)
    except ValueError:
        message = f"the command behind it failed: {done.stderr[-200:].decode(errors='replace')}"
        return {"error": EngineError(message, next_step="Try `atos-client models`.").to_wire()}


class ModelManagement:
    """Handlers of the routes."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/pull", self.pull, methods=["POST"]),
            Route("/api/delete", self.delete, methods=["DELETE"]),
            Route("/api/copy", self.copy, methods=["POST"]),
            Route("/api/create", self.create, methods=["POST"]),
            Route("/api/push", self.push, methods=["POST"]),
            Route("/api/blobs/{digest}", self.blob, methods=["HEAD", "POST"]),
        ]

    async def pull(self, request: Request) -> Response:
        """Fetch a model of the catalogue; one that is here already is ready at once."""
        body = await read_body(request, ModelBody)
        return PullResponse(self._state, body.named(), stream=body.stream is not False)

    async def delete(self, request: Request) -> Response:
        """Remove a model that was fetched; files of other programs stay."""
        body = await read_body(request, ModelBody)
        name = body.named()
        await self._state.catalogue.candidates(name)
        if "error" in (found := await models_command("remove", name)):
            raise from_wire(found["error"])
        await self._state.catalogue.refresh(0.0)
        return Response(status_code=200)

    async def copy(self, request: Request) -> Response:
        """Refuse: a model has the names that the catalogue gives it."""
        await read_body(request, ModelBody)
        refuse("copy is not supported here: add an alias in ~/.atos/models.yaml (`aliases`)")

    async def create(self, request: Request) -> Response:
        """Refuse: system prompts and options belong to the request, or to models.yaml."""
        await read_body(request, ModelBody)
        refuse(f"create is not supported here: {NO_NEW}; options stand in ~/.atos/models.yaml")

    async def push(self, request: Request) -> Response:
        """Refuse."""
        await read_body(request, ModelBody)
        refuse("push is not supported here: nothing is published")

    async def blob(self, request: Request) -> Response:
        """Refuse: blobs are for `create`."""
        refuse(f"blobs are not supported here: {NO_NEW}")
