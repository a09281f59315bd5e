"""`make bench NAME=shim`: what five stdio servers cost an MCP host at its start, in CPU seconds.

Five shims, each answering `initialize` and `tools/list`, against five bare interpreters that import
the same modules and against five plain FastMCP servers answering the same. Rounds are interleaved;
CPU is the kernel's account of each process (`wait4`), so a busy machine blurs it little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.table import report, row

SHIM = Path(__file__).parents[2] / "servers" / "atos_servers" / "shim" / "main.py"
NAMES = ("orchestrate", "filesystem", "code_runner", "workflow", "vram")
ROUNDS = int(os.environ.get("ROUNDS", "9"))
FASTMCP_ROUNDS = 3
BARE = (sys.executable, "-S", "-I")
SAME_MODULES = "import __future__, json, os, select, sys, time"
PLAIN_SERVER = """
from fastmcp import FastMCP
server = FastMCP("plain")
@server.tool
def hello(name: str) -> str:
    "Greet somebody."
    return f"hello {name}"
server.run(show_banner=False)
"""
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
TALK = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def imported_by(*arguments: str) -> set[str]:
    """Return the standard library's modules that a bare interpreter imports for these arguments."""
    watched = subprocess.run(
        [*BARE, "-X", "importtime", *arguments],
        input=lines(), capture_output=True, check=True, text=True,
    )  # fmt: skip
    names = {line.rpartition("|")[2].strip() for line in watched.stderr.splitlines()[1:]}
    return {name for name in names if name.partition(".")[0] != "atos"}


def lines() -> str:
    """Return what a client says, one message a line."""
    return "".join(json.dumps(message) + "\n" for message in TALK)


def start(command: Sequence[str], *, answers: int) -> subprocess.Popen[bytes]:
    """Start a process, talk to it if it answers, and close its stdin."""
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet)
    if process.stdin is None or process.stdout is None:
        raise OSError
    if answers:
        process.stdin.write(lines().encode())
        process.stdin.flush()
        for identity in range(1, answers + 1):
            answer = json.loads(process.stdout.readline())
            if answer["id"] != identity or "result" not in answer:
                message = f"{command} answered {answer}"
                raise RuntimeError(message)
    process.stdin.close()
    process.stdout.close()
    return process


def cpu_of(commands: Sequence[Sequence[str]], *, answers: int) -> float:
    """Run commands and return the milliseconds of CPU that they took together."""
    total = 0.0
    for process in [start(command, answers=answers) for command in commands]:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            message = f"{process.args} ended with {process.returncode}"
            raise RuntimeError(message)
        total += (usage.ru_utime + usage.ru_stime) * 1000
    return total


def main() -> None:
    """Measure in interleaved rounds, print the table and write `build/bench/shim.json`."""
    if more := imported_by(str(SHIM), "vram") - imported_by("-c", SAME_MODULES):
        message = f"the shim imports more than what it is measured against: {more}"
        raise RuntimeError(message)
    shims = [[*BARE, str(SHIM), name] for name in NAMES]
    bare = [[*BARE, "-c", SAME_MODULES]] * len(NAMES)
    plain = [[sys.executable, "-c", PLAIN_SERVER]] * len(NAMES)
    cpu_of(shims, answers=2)  # byte-compiles whatever was not
    taken: dict[str, list[float]] = {"shims": [], "bare": [], "plain": []}
    for number in range(ROUNDS):
        taken["bare"].append(cpu_of(bare, answers=0))
        taken["shims"].append(cpu_of(shims, answers=2))
        if number < FASTMCP_ROUNDS:
            taken["plain"].append(cpu_of(plain, answers=2))
    floor = row("five bare interpreters with the same modules", taken["bare"], "ms")
    peer = row("five plain FastMCP servers", taken["plain"], "ms")
    rows = [
        row("five shims, limit 1.5 x bare", taken["shims"], "ms", 1.5 * floor.median),
        row("five shims, limit 0.1 x FastMCP", taken["shims"], "ms", 0.1 * peer.median),
        floor,
        peer,
    ]
    report("shim", rows)


if __name__ == "__main__":
    main()
