"""Connections to the host's Unix socket: the opening line, then MCP or control of the host itself."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, cast

import anyio
from anyio.abc import SocketStream

from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.errors import AtosError, BadRequestError
from atos_protocol.host_protocol import HOST, PROTOCOL, Opening, parse_opening, refusal
from atos_protocol.records import clean_request
from atos_protocol.versions import RUNNING
from atos_servers.host.connection import connected, connection_of
from atos_servers.host.http_server import HttpStatus
from atos_servers.host.line_stream import LineStream
from atos_servers.host.manifest import describe
from atos_servers.host.mcp_session import serve_mcp
from atos_servers.host.suite import Suite
from atos_servers.host.worker_supervisor import WorkerSupervisor

OPENING_SECONDS = 10.0
"""How long a connection may take to send its opening line."""

SHUTDOWN_REPLY: dict[str, Any] = {"ok": True}
logger = logging.getLogger(__name__)


class Connections:
    """Serves any number of connections; a failure ends only its own connection."""

    def __init__(
        self, suite: Suite, idle: IdleShutdown, control: HostControl, manifest: str
    ) -> None:
        self._suite = suite
        self._idle = idle
        self._control = control
        self._manifest = manifest

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection."""
        async with stream:
            lines = LineStream(stream)
            try:
                with anyio.fail_after(OPENING_SECONDS):
                    opening = parse_opening(await lines.receive())
            except AtosError as error:
                await lines.send(refusal(error))
                return
            except (anyio.EndOfStream, TimeoutError):
                return
            try:
                await self._serve_opened(opening, lines)
            except Exception:
                logger.exception("a connection to %s failed", opening.server)

    async def _serve_opened(self, opening: Opening, lines: LineStream) -> None:
        if opening.server == HOST:
            return await self._control.serve(lines)
        # The worker's own connections don't keep the host up: running goals do.
        from_worker = opening.client == "worker"
        counted = contextlib.nullcontext() if from_worker else self._idle.use()
        with counted, connected(connection_of(opening)):
            if opening.manifest:
                await lines.send(await self._accept_shim(opening))
            await serve_mcp(self._suite[opening.server], lines)

    async def _accept_shim(self, opening: Opening) -> bytes:
        """Return the line that accepts a shim, with this host's answers if its own are outdated."""
        same = opening.manifest == self._manifest
        answers = None if same else await describe(self._suite[opening.server])
        return json.dumps({"atos": PROTOCOL, "digest": self._manifest, "answers": answers}).encode()


class HostControl:
    """Answers `status`, `open`, `clean` and `shutdown`, one JSON object per line."""

    def __init__(
        self,
        idle: IdleShutdown,
        worker: WorkerSupervisor,
        http: HttpStatus,
        reports: Mapping[str, Callable[[], dict[str, Any]]],
        shutdown: Callable[[], None],
        page_code: Callable[[], str],
    ) -> None:
        self._idle, self._worker, self._http = idle, worker, http
        self._reports = reports
        self._shutdown = shutdown
        self._page_code = page_code
        self._started = anyio.current_time()

    async def serve(self, lines: LineStream) -> None:
        """Answer until the peer closes its end."""
        async with contextlib.aclosing(lines.received()) as received:
            async for line in received:
                try:
                    reply = await self._answer(line)
                except AtosError as error:
                    reply = {"error": error.to_wire()}
                await lines.send(json.dumps(reply).encode())
                if reply is SHUTDOWN_REPLY:
                    self._shutdown()

    async def _answer(self, line: bytes | None) -> dict[str, Any]:
        try:
            request: Any = json.loads(line or b"")
        except (ValueError, RecursionError):
            request = None
        fields = cast("dict[str, Any]", request) if isinstance(request, dict) else {}
        match fields.get("op"):
            case "status":
                return self._status()
            case (
                "open"
            ):  # whoever can open this socket is the person: the page asks no more of them
                return {"http": asdict(self._http), "code": self._page_code()}
            case "shutdown":
                return SHUTDOWN_REPLY
            case "clean":
                request = clean_request(fields)
                with self._idle.use():
                    return await self._worker.ask({"op": "clean", "request": asdict(request)})
            case other:
                message = f"there is no operation {other!r}"
                raise BadRequestError(message, next_step="Use status, open, clean or shutdown.")

    def _status(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "pid": os.getpid(),
            "version": RUNNING,
            "uptime_s": round(anyio.current_time() - self._started, 3),
            "http": asdict(self._http),
            "worker": {
                "pid": worker.pid,
                "state": worker.state,
                "restarts": worker.restarts,
                "database": worker.database,
                "version": worker.version,
            },
            "records": worker.records,
            "connections": self._idle.in_use,
            **{name: report() for name, report in self._reports.items()},
        }
