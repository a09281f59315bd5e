"""`atos-client doctor --host NAME`: our entries in a host's file, and what its logs say of us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from atos.cli.doctor import Finding
from atos.cli.formatting import clean
from atos.cli.plugging.installing import findings
from atos.cli.plugging.mcp_hosts import McpHost, System, host_named
from atos_protocol.settings import home_directory

TAIL_BYTES = 64 << 10
MOST_LINES = 5
TROUBLE = ("error", "failed", "exception", "disconnected", "timed out", "enoent", "traceback")


def examine_host(name: str) -> Iterator[Finding]:
    """Look at one host: its file, each entry at work, and the newest log that names ATOS.

    Raises:
        BadRequestError: there is no such host.
    """
    host, system = host_named(name), System.of(home_directory(), os.environ)
    for well, what in findings(host, system):
        todo = "" if well else f"atos-client install {host.name}"
        yield Finding("ok" if well else "broken", host.name, what, todo)
    yield log_finding(host, system)


def log_finding(host: McpHost, system: System) -> Finding:
    """Return what the newest log of a host says of us: its last lines that tell of trouble."""
    logs = sorted((path for path in host.logs(system) if path.is_file()), key=_age, reverse=True)
    ours = next((path for path in logs if "atos" in path.name or "atos" in tail(path)), None)
    if ours is None:
        return Finding("missing", "its log", "none that names ATOS: it was not started there yet")
    said = [line for line in tail(ours).splitlines() if _is_trouble(line)][-MOST_LINES:]
    if not said:
        return Finding("ok", "its log", f"{ours}: no trouble told")
    return Finding("missing", "its log", f"{ours}: {' / '.join(clean(line, 160) for line in said)}")


def tail(path: Path) -> str:
    """Return the end of a log; empty where it can't be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_trouble(line: str) -> bool:
    return any(word in line.lower() for word in TROUBLE)
