"""An installed ATOS in a home of its own: real processes, real engine, real sandbox (no double at all)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
CLIENT = str(BIN / "atos-client")
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH")


class Installation:
    """Runs `atos-client` as a person would; `close` ends every daemon of this home."""

    def __init__(self, launcher: Sequence[str] = (), **environment: str) -> None:
        """Make the home.

        Args:
            launcher: command put before every command, such as one that refuses user namespaces.
            environment: set beside the plain one.
        """
        self.person = Path(tempfile.mkdtemp(prefix="atos"))
        self.home = self.person / ".atos"
        self._launcher = list(launcher)
        plain = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment = {
            **plain, "HOME": str(self.person), "ATOS_HTTP_PORT": "0", "ATOS_OLLAMA_URL": "",
            **environment,
        }  # fmt: skip

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command and capture what it prints."""
        return subprocess.run(
            [*self._launcher, CLIENT, *arguments],
            env=self.environment, capture_output=True, text=True, check=False, timeout=timeout,
            cwd=self.person,
        )  # fmt: skip

    def build(self, goal: str, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Build a goal; return the result object and the events before it."""
        done = self.run("build", "--json", *options, "--", goal)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        return {**lines[-1], "exit": done.returncode}, lines[:-1]

    def processes(self) -> list[str]:
        """List the command lines of everything that runs for this home."""
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                environ = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"HOME={self.person}\0".encode() in environ and command:
                found.append(command.strip())
        return found

    def close(self) -> None:
        """End the daemons and remove the home."""
        self.run("down")
        shutil.rmtree(self.person, ignore_errors=True)


def pytest_by_hand(repository: Path) -> subprocess.CompletedProcess[str]:
    """Run `pytest` in a repository as a person would."""
    return subprocess.run(
        [str(BIN / "pytest"), "-q", "-p", "no:cacheprovider"],
        cwd=repository, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
