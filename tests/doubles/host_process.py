"""A real server host, with its worker, in a home of its own (no double at all)."""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.daemons import connect, ensure, is_alive, is_up, peer_pid, stop
from atos_protocol.settings import Settings, load_settings


class HostProcess:
    """The host of one home: found or started as everybody does it, by `ensure`."""

    def __init__(self, person: Path) -> None:
        self.person = person

    @property
    def settings(self) -> Settings:
        """What the environment says now."""
        return load_settings()

    def ensure(self) -> int:
        """Start it if need be; return its pid as the kernel knows it."""
        ensure("servers", self.settings)
        with connect("servers", self.settings) as connection:
            return peer_pid(connection)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the host about itself."""
        with connect("servers", self.settings) as connection, connection.makefile("rwb") as lines:
            for message in ({"atos": 1, "server": "host", "client": "cli"}, request):
                lines.write(json.dumps(message).encode() + b"\n")
            lines.flush()
            return json.loads(lines.readline())

    def status(self) -> dict[str, Any]:
        """Return what the host says about itself."""
        return self.ask({"op": "status"})

    def until(
        self, holds: Callable[[dict[str, Any]], object], seconds: float = 15
    ) -> dict[str, Any]:
        """Wait for a state of the host's; return its status."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if holds(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.02)

    def url(self, server: str, transport: str) -> str:
        """Return the address of a server over HTTP."""
        return f"{self.status()['http']['url']}/{server}/{transport}"

    @property
    def token(self) -> str:
        """The token of the HTTP routes."""
        return self.settings.token_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """Kill the host as an out-of-memory killer would."""
        pid = self.ensure()
        os.kill(pid, signal.SIGKILL)
        wait_gone(pid)

    def log(self) -> str:
        """Return what the host has logged."""
        return (self.settings.logs / "servers.log").read_text(encoding="utf-8")


def wait_gone(pid: int, seconds: float = 10) -> None:
    """Wait until a process has ended."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


@contextmanager
def host_process(**settings: str) -> Generator[HostProcess]:
    """Give a home, in which a host may be started; nothing of it is left afterwards.

    Args:
        settings: further environment variables, such as `ATOS_IDLE_SECONDS`.
    """
    person = Path(tempfile.mkdtemp(prefix="atos"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(person))
        patch.delenv("ATOS_HOME", raising=False)
        (person / ".atos").mkdir(mode=0o700)
        lines = {"ATOS_HTTP_PORT": "0", "ATOS_OLLAMA_URL": "", **settings}
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        # in the file, so that a process with HOME alone reads the same settings
        (person / ".atos" / ".env").write_text(text, encoding="utf-8")
        for name in lines:
            patch.delenv(name, raising=False)
        host = HostProcess(person)
        try:
            yield host
        finally:
            for role in ("servers", "scheduler"):
                if is_up(role, host.settings):
                    stop(role, host.settings)
            shutil.rmtree(person, ignore_errors=True)
