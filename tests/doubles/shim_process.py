"""A shim at work, started as an MCP host would start it, and spoken to line by line."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SHIM = Path(__file__).parents[2] / "servers" / "atos_servers" / "shim" / "main.py"
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


class ShimProcess:
    """`python -S -I shim.py NAME [DIR...]` in `/`, with HOME and a short PATH and nothing else."""

    def __init__(self, home: Path, *arguments: str, shim: Path = SHIM) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-I", str(shim), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            cwd="/",
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stdin.close()
        self._stdout.close()
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The shim's process."""
        return self._process.pid

    def say(self, message: Any) -> None:
        """Send one message."""
        os.write(self._stdin.fileno(), json.dumps(message).encode() + b"\n")

    def hear(self, seconds: float = 60) -> dict[str, Any]:
        """Return the next message."""
        assert select.select([self._stdout], [], [], seconds)[0], "the shim says nothing"
        line = self._stdout.readline()
        assert line, f"the shim has ended with {self._process.wait()}"
        return json.loads(line)

    def request(self, method: str, **params: Any) -> int:
        """Send a request; return its id."""
        self._next += 1
        message = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self.say(message)
        return self._next

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        identity = self.request(method, **params)
        answer = self.hear()
        assert answer["id"] == identity
        return answer

    def shake_hands(self) -> dict[str, Any]:
        """Begin in the handshake era; return what the server tells about itself."""
        answer = self.ask("initialize", **HELLO)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def end(self, seconds: float = 30) -> int:
        """End as a client ends: close stdin; return the exit status."""
        self._stdin.close()
        return self._process.wait(seconds)

    def rest(self) -> list[dict[str, Any]]:
        """Return everything that it still says until it ends."""
        return [json.loads(line) for line in self._stdout]
