"""A trial of an entry: started as its host would start it, asked for its tools, and one of them called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from atos.cli.plugging.entries import Entry

HOST_VARIABLES = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
"""What the MCP SDKs pass to a server over stdio, and nothing else."""
SHORT_PATH = "/usr/local/bin:/usr/bin:/bin"
"""PATH of a host that a desktop started."""
TRIAL_SECONDS = 60.0

CALLS: Mapping[str, str] = {
    "all": "vram_status",
    "orchestrate": "list_goals",
    "filesystem": "list_allowed_directories",
    "code_runner": "sandbox_status",
    "workflow": "list_workflows",
    "vram": "vram_status",
}
"""Server -> a tool that takes no arguments and changes nothing."""
EXPECTED = {"workflow": "not_found"}
"""Server -> code of an answer that is as good as any: no workflow is configured yet."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went."""

    entry: str
    ok: bool
    tools: int = 0
    list_ms: float = 0.0
    """From the start of the process to its list of tools."""
    called: str = ""
    call_ms: float = 0.0
    """The call, the start of the daemons included where they were down."""
    why: str = ""
    """What went wrong; empty where nothing did."""

    def line(self) -> str:
        """Return it as one line: `atos: 12 tools, 41 ms; vram_status answered in 820 ms`."""
        if not self.ok:
            return f"{self.entry}: does not work: {self.why}"
        listed = f"{self.entry}: {self.tools} tools, {self.list_ms:.0f} ms"
        return f"{listed}; {self.called} answered in {self.call_ms:.0f} ms"


def host_environment(entry: Entry, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a host starts an entry."""
    passed = {name: environ[name] for name in HOST_VARIABLES if name in environ}
    return {**passed, "PATH": SHORT_PATH, **entry.env}


def try_entry(entry: Entry, environ: Mapping[str, str] = os.environ) -> Trial:
    """Start an entry as its host would, list its tools and call one; it never raises for what it finds."""
    environment = host_environment(entry, environ)
    if (command := shutil.which(entry.command, path=environment["PATH"])) is None:
        return Trial(entry.name, ok=False, why=f"there is no {entry.command}")
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            [command, *entry.args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, cwd="/",
        )  # fmt: skip
    except OSError as error:
        return Trial(entry.name, ok=False, why=f"{command} can't be started: {error.strerror}")
    watchdog = threading.Timer(TRIAL_SECONDS, process.kill)
    watchdog.start()
    try:
        return _spoken_to(entry, process, begun)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        process.kill()
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        why = said.splitlines()[-1] if said else f"{type(error).__name__}: {error}"
        return Trial(entry.name, ok=False, why=why)
    finally:
        watchdog.cancel()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):  # what it has not read can't be written any more
                    stream.close()
        process.wait()


def _spoken_to(entry: Entry, process: subprocess.Popen[bytes], begun: float) -> Trial:
    assert process.stdin is not None
    assert process.stdout is not None
    lines = _Lines(process.stdin, process.stdout)
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "atos-client install", "version": "1"},
    }
    lines.ask("initialize", hello)
    lines.send({"method": "notifications/initialized"})
    tools = [tool["name"] for tool in lines.ask("tools/list", {})["tools"]]
    listed = time.monotonic()
    wanted = CALLS[entry.server]
    tool = wanted if wanted in tools else tools[0]
    result = lines.ask("tools/call", {"name": tool, "arguments": {}})
    ended = time.monotonic()
    failure: dict[str, str] = result["_meta"]["atos/error"] if result.get("isError") else {}
    ok = not failure or failure["code"] == EXPECTED.get(entry.server)
    return Trial(
        entry.name,
        ok=ok,
        tools=len(tools),
        list_ms=(listed - begun) * 1000,
        called=tool,
        call_ms=(ended - listed) * 1000,
        why="" if ok else f"{tool}: {failure['message']} {failure.get('next', '')}",
    )


class _Lines:
    """JSON-RPC over a process's pipes, one request at a time."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._id = 0

    def send(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # it has ended, which reading tells
            self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            self._stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._id += 1
        self.send({"id": self._id, "method": method, "params": params})
        while True:
            line = self._stdout.readline()
            if not line:
                message = "it ended without an answer"
                raise ValueError(message)
            answer = json.loads(line)
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise ValueError(answer["error"].get("message"))
                return answer["result"]
