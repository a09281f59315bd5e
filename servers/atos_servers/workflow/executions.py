"""What became of a triggered workflow: the answer that it posts when it is done, however long that takes.

    trigger -> running -- POST /executions/HANDLE, with the token --> done
                  get_execution(HANDLE) waits for it

The handle goes along as a header (`X-Atos-Callback` is the address). It is random, so who knows it was told; the first
answer counts, so a node that n8n runs twice does no harm. One file each: a restart of ATOS loses nothing.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from atos_protocol.errors import NotFoundError
from atos_servers.workflow.trigger import BODY_LIMIT, clean

PREFIX = "/executions"
CALLBACK_HEADER = "X-Atos-Callback"
MOST = 500
"""Executions that are kept; the oldest are forgotten."""
LOOK_SECONDS = 0.25
_HANDLE = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Execution:
    """One triggered workflow."""

    handle: str
    workflow: str
    owner: str
    """Name of the token whose client triggered it; "" for the person."""
    started_at: float
    """Epoch seconds."""
    done_at: float = 0.0
    """0 while it runs."""
    body: str = ""
    """What it posted, safe to show. Untrusted."""
    truncated: bool = False


class Executions:
    """The executions of one home.

    Args:
        folder: theirs alone.
        owner: returns the caller's token.
        base_url: of ATOS's HTTP server; empty where workflows can't call back.
    """

    def __init__(self, folder: Path, owner: Callable[[], str], base_url: str) -> None:
        self._folder, self._owner, self._base_url = folder, owner, base_url
        self.app = Router([Route(f"{PREFIX}/{{handle}}", self._done, methods=["POST"])])

    def begin(self, handle: str, workflow: str) -> dict[str, str]:
        """Keep that a workflow was triggered; return the headers by which it can answer later."""
        if not self._base_url:
            return {}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(Execution(handle, workflow, self._owner(), time.time()))
        kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST]:
            path.unlink(missing_ok=True)
        return {CALLBACK_HEADER: f"{self._base_url}{PREFIX}/{handle}"}

    async def get(self, handle: str, seconds: float) -> Execution:
        """Return an execution, as soon as it is done or the time is up.

        Raises:
            NotFoundError: there is none of that handle, or it is somebody else's.
        """
        until = anyio.current_time() + seconds
        while True:
            found = await anyio.to_thread.run_sync(self._read, handle)
            if found is None or (self._owner() and found.owner != self._owner()):
                message = f"there is no execution {handle[:40]!r}"
                raise NotFoundError(message, next_step="Pass the `correlation_id` of its trigger.")
            if found.done_at or anyio.current_time() >= until:
                return found
            await anyio.sleep(LOOK_SECONDS)

    async def _done(self, request: Request) -> Response:
        handle = request.path_params["handle"]
        found = await anyio.to_thread.run_sync(self._read, handle)
        if found is None:
            error = {"code": "not_found", "message": "there is no such execution"}
            return JSONResponse({"error": error}, status_code=404)
        if not found.done_at:
            body, cut = clean((await request.body())[: 4 * BODY_LIMIT])
            ended = replace(found, done_at=time.time(), body=body, truncated=cut)
            await anyio.to_thread.run_sync(self._write, ended)
        return JSONResponse({"taken": not found.done_at})

    def _read(self, handle: str) -> Execution | None:
        if not _HANDLE.fullmatch(handle):
            return None
        try:
            text = (self._folder / f"{handle}.json").read_text(encoding="utf-8")
            return Execution(**json.loads(text))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, execution: Execution) -> None:
        path = self._folder / f"{execution.handle}.json"
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(execution), file)
        fresh.replace(path)
