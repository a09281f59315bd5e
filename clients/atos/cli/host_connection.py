"""A synchronous MCP client over the host's socket, standard library only.

Each call is one self-contained request of the protocol's stateless era (2026-07-28), so there is no
handshake to wait for and a lost connection costs one reconnect.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from atos_protocol.daemons import connect, ensure
from atos_protocol.errors import (
    MCP_META_KEY,
    AtosError,
    DeadlineError,
    NotFoundError,
    UnreachableError,
    from_wire,
)
from atos_protocol.host_protocol import Opening, refused
from atos_protocol.settings import Settings

STATUS_SECONDS = 10.0
"""How long the scheduler may take to tell its status: a crowded machine leaves it little time."""
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "atos-client", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
MOST_GOALS = 100
"""Among how many goals, the newest, one is looked for by its name."""
CALL_SECONDS = 60.0
"""No ATOS tool takes longer than 45 s."""


class HostClient:
    """Calls the tools of one server, or the host itself under the name `host`."""

    def __init__(self, settings: Settings, server: str, *, start: bool = True) -> None:
        """Remember where to call; `start` tells whether a missing host may be started."""
        self._settings = settings
        self._server = server
        self._start = start
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._id = 0

    def call(self, tool: str, arguments: Mapping[str, Any], *, resend: bool = True) -> Any:
        """Call a tool; return its structured result.

        A goal may be named as a person would (`goal_names`): only an id that does not exist costs a second look.

        Raises:
            UnreachableError: the host is down and may not be started, or was lost meanwhile.
            NotFoundError: there is no such goal, or several are called so; the next step names them.
            AtosError: the tool failed.
        """
        try:
            return self._call(tool, arguments, resend=resend)
        except NotFoundError as error:
            given = str(arguments.get("goal_id", ""))
            if not given or f"no goal {given[:80]!r}" not in error.message:
                raise
        from atos.cli.goal_names import meant

        goals = self._call("list_goals", {"limit": MOST_GOALS}, resend=True)["goals"]
        return self._call(tool, {**arguments, "goal_id": meant(given, goals)}, resend=resend)

    def _call(self, tool: str, arguments: Mapping[str, Any], *, resend: bool) -> Any:
        self._id += 1
        params = {"name": tool, "arguments": dict(arguments), "_meta": META}
        request = {"jsonrpc": "2.0", "id": self._id, "method": "tools/call", "params": params}
        answer = self._exchange(request, resend=resend)
        if "error" in answer:
            raise AtosError(str(answer["error"].get("message")))
        result = answer["result"]
        if result.get("isError"):
            raise from_wire(result.get("_meta", {}).get(MCP_META_KEY, {"message": _text(result)}))
        return result.get("structuredContent", {})

    def ask(self, op: str, **more: Any) -> dict[str, Any]:
        """Ask the host itself, for instance for its `status`.

        Raises:
            UnreachableError: the host is down and may not be started, or was lost meanwhile.
            AtosError: it can't do what was asked.
        """
        answer = self._exchange({"op": op, **more}, resend=True)
        if isinstance(answer.get("error"), dict):
            raise from_wire(answer["error"])
        return answer

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def __del__(self) -> None:
        """Drop the connection of a client that nobody uses any more: a command does not say when it is done."""
        self.close()

    def _exchange(self, request: dict[str, Any], *, resend: bool) -> dict[str, Any]:
        try:
            return self._once(request)
        except UnreachableError:
            self.close()
            if not resend:
                raise
            return self._once(request)

    def _once(self, request: dict[str, Any]) -> dict[str, Any]:
        connection = self._connected()
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            while True:
                answer = json.loads(self._read_line(connection))
                if refusal := refused(answer):
                    raise refusal
                if answer.get("id") == request.get("id"):  # skip notifications, such as progress
                    return answer
        except TimeoutError as error:
            self.close()
            message = f"the {self._server} server did not answer within {CALL_SECONDS:.0f} s"
            raise DeadlineError(message, next_step=f"See {self._settings.logs}.") from error
        except (OSError, ValueError) as error:
            message = f"the connection to the {self._server} server was lost: {error}"
            raise UnreachableError(message, next_step="Try again.") from error

    def _connected(self) -> socket.socket:
        if self._socket is None:
            if self._start:
                ensure("servers", self._settings)
            self._socket = connect("servers", self._settings)
            self._socket.settimeout(CALL_SECONDS)
            opening = Opening(self._server, "cli", (str(self._settings.workspaces),))
            self._socket.sendall(opening.line())
        return self._socket

    def _read_line(self, connection: socket.socket) -> bytes:
        while b"\n" not in self._buffer:
            piece = connection.recv(1 << 16)
            if not piece:
                raise ConnectionResetError("it was closed")  # noqa: EM101 - reworded by the caller
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _text(result: Mapping[str, Any]) -> str:
    return " ".join(part.get("text", "") for part in result["content"])


def scheduler_status(settings: Settings) -> dict[str, Any]:
    """Return the scheduler's status as JSON.

    Raises:
        UnreachableError: the scheduler is down.
    """
    return http_get(connect("scheduler", settings, STATUS_SECONDS), "/atos/v1/status")


def http_get(connection: socket.socket, path: str) -> dict[str, Any]:
    """Fetch JSON over an open Unix socket, in one exchange.

    In HTTP/1.0, whose answer ends with the connection: that needs nothing of `http.client`, which takes as long to import
    as all the rest of `status` takes.
    """
    try:
        with connection:
            connection.settimeout(STATUS_SECONDS)
            connection.sendall(f"GET {path} HTTP/1.0\r\nhost: atos\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        message = f"the scheduler gave no usable answer: {error}"
        raise UnreachableError(message, next_step="See logs/scheduler.log.") from error
