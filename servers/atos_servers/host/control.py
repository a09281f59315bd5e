"""What the host tells about itself: connections that open with the server name `host`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, cast

import anyio

from atos_protocol.errors import AtosError, BadRequestError
from atos_servers.host.http_server import HttpStatus
from atos_servers.host.idle_shutdown import IdleShutdown
from atos_servers.host.mcp_session import LineStream
from atos_servers.host.worker_supervisor import WorkerSupervisor

GOODBYE: dict[str, Any] = {"ok": True}


class HostControl:
    """Answers `status` and `shutdown`, one JSON object a line."""

    def __init__(
        self,
        idle_shutdown: IdleShutdown,
        worker: WorkerSupervisor,
        http: HttpStatus,
        shutdown: Callable[[], None],
    ) -> None:
        self._idle_shutdown, self._worker, self._http = idle_shutdown, worker, http
        self._shutdown = shutdown
        self._born = anyio.current_time()

    async def serve(self, wire: LineStream) -> None:
        """Answer until the peer ends."""
        async with contextlib.aclosing(wire.lines()) as lines:
            async for line in lines:
                try:
                    reply = self._answer(line)
                except AtosError as error:
                    reply = {"error": error.to_wire()}
                await wire.send(json.dumps(reply).encode())
                if reply is GOODBYE:
                    self._shutdown()

    def _answer(self, line: bytes | None) -> dict[str, Any]:
        try:
            request: Any = json.loads(line or b"")
        except (ValueError, RecursionError):
            request = None
        fields = cast("dict[str, Any]", request) if isinstance(request, dict) else {}
        match fields.get("op"):
            case "status":
                return self._status()
            case "shutdown":
                return GOODBYE
            case other:
                message = f"there is no operation {other!r}"
                raise BadRequestError(message, next_step="Use status or shutdown.")

    def _status(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "pid": os.getpid(),
            "version": version("atos"),
            "uptime_s": round(anyio.current_time() - self._born, 3),
            "http": asdict(self._http),
            "worker": {"pid": worker.pid, "state": worker.state, "restarts": worker.restarts},
            "connections": self._idle_shutdown.connections,
        }
