"""A server host that answers `atos-client` from a script: what a tool returns is a function of its arguments."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from atos_protocol.errors import MCP_META_KEY, AtosError

Tool = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ScriptedHost:
    """Listens on the host's socket in a thread; `calls` are the tools that were called, in order."""

    def __init__(self, path: Path, tools: Mapping[str, Tool]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.status: dict[str, Any] = {"pid": 0}
        """What the host says of itself; no version."""
        self._tools = tools
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # a client may go before it is answered
        with suppress(OSError), connection, connection.makefile("rwb") as lines:
            lines.readline()  # the opening line
            for line in lines:
                asked = json.loads(line)
                if asked.get("op") == "status":
                    answer = self.status
                else:
                    answer = {"jsonrpc": "2.0", "id": asked["id"], "result": self._result(asked)}
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()

    def _result(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name, arguments = asked["params"]["name"], asked["params"]["arguments"]
        self.calls.append((name, arguments))
        try:
            return {"content": [], "structuredContent": dict(self._tools[name](arguments))}
        except AtosError as error:
            return {"content": [], "isError": True, "_meta": {MCP_META_KEY: error.to_wire()}}
