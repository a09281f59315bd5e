"""`make test-conformance`, second part: clients of other makers, each on what `install claude-desktop` wrote.

In an empty home. Every client lists and calls each entry, then starts a goal and follows it to its end; the
first one is killed in mid-goal, as a host that crashes, and another process takes the goal over.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos.cli.plugging.trial import CALLS
from conformance.npm_packages import FOLDER, install, program
from doubles.host_process import HostProcess, host_process
from toolchain import ROOT, Node, StepFailedError, run

CLIENTS = Path(__file__).with_name("clients")
GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"
FILE = ".config/Claude/claude_desktop_config.json"
SECONDS = 150.0
PACKAGES: Mapping[str, str] = {
    "mcp 1.x": "mcp==1.30.0",
    "langchain": "langchain-mcp-adapters==0.3.2",
}
"""Clients in Python that need an environment of their own."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program of `clients/`, and what runs it."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]


def environment(name: str, package: str) -> Path:
    """Make an environment with a package, unless it is there; return its interpreter."""
    folder = FOLDER / name.replace(" ", "-")
    python, stamp = folder / "bin" / "python", folder / f".{package}"
    if not stamp.exists():
        run(
            f"environment of {package}",
            [sys.executable, "-m", "venv", "--clear", folder],
            deadline=120,
        )
        command = [python, "-m", "pip", "install", "--quiet", package]
        run(package, command, deadline=300)
        stamp.touch()
    return python


def clients(node: Node) -> list[Client]:
    """Return all of them."""
    inspector = str(program("@modelcontextprotocol/inspector", "clients/launcher/build/index.js"))
    environ = node.environ(ATOS_INSPECTOR=inspector)
    scripts = FOLDER / "clients"  # beside node_modules, where Node looks for packages
    scripts.mkdir(exist_ok=True)
    for script in CLIENTS.glob("*.mjs"):
        (scripts / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    pythons = {name: environment(name, package) for name, package in PACKAGES.items()}
    own = Path(sys.executable)
    return [
        *(
            Client(name, (str(node.bin / "node"), str(scripts / file)), environ)
            for name, file in (
                ("TypeScript SDK 1.x", "typescript_1.mjs"),
                ("TypeScript SDK 2.x", "typescript_2.mjs"),
                ("Inspector", "inspector.mjs"),
            )
        ),
        *(
            Client(name, (str(python), str(CLIENTS / file)), {"PATH": environ["PATH"]})
            for name, python, file in (
                ("mcp 1.x", pythons["mcp 1.x"], "mcp_sdk.py"),
                ("mcp 2.x", own, "mcp_sdk.py"),
                ("FastMCP", own, "fastmcp_client.py"),
                ("langchain-mcp-adapters", pythons["langchain"], "langchain_adapters.py"),
            )
        ),
    ]


def written_entries(host: HostProcess) -> dict[str, Any]:
    """Install into Claude Desktop of an empty home; return the entries that stand in its file."""
    servers = [word for name in CALLS for word in ("--server", name)]
    client = ROOT / ".venv" / "bin" / "atos-client"
    program = str(client) if client.exists() else "atos-client"
    run("install claude-desktop", [program, "install", "claude-desktop", *servers], deadline=120)
    return json.loads((host.person / FILE).read_text(encoding="utf-8"))["mcpServers"]


def task_file(host: HostProcess, entries: Mapping[str, Any], goal: str = "") -> Path:
    """Write what a client is to do."""
    named = {"atos" if name == "all" else f"atos-{name.replace('_', '-')}": name for name in CALLS}
    calls = {entry: CALLS[name] for entry, name in named.items()}
    body = {
        "mcpServers": {
            name: {
                key: entry.get(key, {} if key == "env" else [])
                for key in ("command", "args", "env")
            }
            for name, entry in entries.items()
        },
        "calls": calls,
        "goal": {"entry": "atos", "text": GOAL, "id": goal},
    }
    path = host.person / "task.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    return path


def at_home(client: Client, host: HostProcess) -> dict[str, str]:
    """Return a client's environment in the empty home: Node's own has this process's."""
    return {**client.environ, "HOME": str(host.person)}


def followed(client: Client, host: HostProcess, task: Path) -> dict[str, Any]:
    """Have a client do it all; return what it said, merged."""
    command = [*client.command, task]
    said = run(client.name, command, environ=at_home(client, host), deadline=SECONDS)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    found: dict[str, Any] = {}
    for line in lines:
        found |= line
    if found.get("state") != "success":
        message = f"{client.name}: {found}"
        raise StepFailedError(message)
    return found


def killed_in_mid_goal(command: Sequence[str], environ: Mapping[str, str], task: Path) -> str:
    """Start a client, kill it as soon as it has started a goal; return the goal's id."""
    with subprocess.Popen(
        [*command, str(task)], env=dict(environ), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if "started" in (found := json.loads(line)):
                process.kill()
                return found["started"]
    message = f"{command[-1]} has started no goal"
    raise StepFailedError(message)


def check(node: Node) -> None:
    """Run every client, in a home of its own.

    Raises:
        StepFailedError: one of them failed.
    """
    known = clients(node)
    with host_process() as host:
        entries = written_entries(host)
        first = known[0]
        environ = at_home(first, host)
        goal = killed_in_mid_goal(first.command, environ, task_file(host, entries))
        found = followed(known[1], host, task_file(host, entries, goal))
        print(
            f"  {first.name} killed in mid-goal, {known[1].name} took it over: {found}", flush=True
        )
        for client in known:
            began = time.monotonic()
            found = followed(client, host, task_file(host, entries))
            print(f"  {client.name}: {found} ({time.monotonic() - began:.0f} s)", flush=True)


def main() -> int:
    """Run the checks; return the exit status."""
    try:
        check(install())
    except StepFailedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print("clients: all of them followed a goal and called every server")
    return 0


if __name__ == "__main__":
    sys.exit(main())
