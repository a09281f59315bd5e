"""The MCP hosts that ATOS can be plugged into: where their configuration and their logs are."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import BadRequestError

WINDOWS_USERS = Path("/mnt/c/Users")
WSL_MARK = "WSL_DISTRO_NAME"
"""Environment variable that WSL sets to the name of the distribution."""


@dataclass(frozen=True, slots=True)
class System:
    """What decides where a host keeps its files."""

    person: Path
    """The person's home directory."""
    platform: str = sys.platform
    distribution: str = ""
    """WSL's name of this system; empty elsewhere."""
    windows_users: Path = WINDOWS_USERS

    @classmethod
    def of(cls, person: Path, environ: Mapping[str, str]) -> System:
        """Return this machine's, given the person's home and the environment."""
        return cls(person, sys.platform, environ.get(WSL_MARK, ""))


@dataclass(frozen=True, slots=True)
class McpHost:
    """One program that starts MCP servers, or calls them over HTTP."""

    name: str
    title: str
    key: str = "mcpServers"
    """Member of its configuration file that holds the servers."""
    typed: bool = False
    """Whether an entry says `"type": "stdio"`."""
    file: Callable[[System], Path] | None = None
    """Its configuration file; None where there is none to write."""
    logs: Callable[[System], list[Path]] = lambda _: []
    """Its log files, as they are now; oldest first is not promised."""
    restart: str = "Start it anew; it reads its configuration when it starts."


def _desktop_folder(system: System) -> Path:
    """Return Claude Desktop's folder: of the Windows program where one is reached through WSL."""
    if system.platform == "darwin":
        return system.person / "Library" / "Application Support" / "Claude"
    if system.distribution and (found := _windows_desktop(system.windows_users)):
        return found
    return system.person / ".config" / "Claude"


def _windows_desktop(users: Path) -> Path | None:
    packaged = sorted(users.glob("*/AppData/Local/Packages/Claude_*/LocalCache/Roaming/Claude"))
    plain = sorted(users.glob("*/AppData/Roaming/Claude"))
    return next(iter([*packaged, *plain]), None)


def _desktop_logs(system: System) -> list[Path]:
    mac = system.platform == "darwin"
    folder = system.person / "Library/Logs/Claude" if mac else _desktop_folder(system) / "logs"
    return list(folder.glob("mcp*.log"))


def _code_folder(system: System, program: str) -> Path:
    beside = "Library/Application Support" if system.platform == "darwin" else ".config"
    return system.person / beside / program


HOSTS = (
    McpHost(
        "claude-desktop",
        "Claude Desktop",
        file=lambda system: _desktop_folder(system) / "claude_desktop_config.json",
        logs=_desktop_logs,
        restart="Quit Claude Desktop completely and start it anew.",
    ),
    McpHost(
        "claude-code",
        "Claude Code",
        typed=True,
        file=lambda system: system.person / ".claude.json",
        logs=lambda system: list(
            (system.person / ".cache/claude-cli-nodejs").glob("*/mcp-logs-*/*")
        ),
        restart="Sessions that begin from now on have it.",
    ),
    McpHost(
        "cursor",
        "Cursor",
        file=lambda system: system.person / ".cursor" / "mcp.json",
        logs=lambda system: list(_code_folder(system, "Cursor").glob("logs/**/*MCP*.log")),
    ),
    McpHost(
        "vscode",
        "Visual Studio Code",
        key="servers",
        typed=True,
        file=lambda system: _code_folder(system, "Code") / "User" / "mcp.json",
        logs=lambda system: list(_code_folder(system, "Code").glob("logs/**/mcpServer*.log")),
        restart="Run `MCP: List Servers` there and start it.",
    ),
    McpHost("n8n", "n8n", restart="Use it in the MCP Client nodes of your workflows."),
    McpHost("print", "any other MCP host", restart="Paste it into the host's configuration."),
)


def host_named(name: str) -> McpHost:
    """Return the host of that name.

    Raises:
        BadRequestError: it is not known; the near names are in the next step.
    """
    known = {host.name: host for host in HOSTS}
    if name not in known:
        raise unknown(name, known, "host")
    return known[name]


def unknown(name: str, known: Iterable[str], kind: str) -> BadRequestError:
    """Return the error for a name that nothing has, with those that look like it."""
    near = difflib.get_close_matches(name.lower(), list(known), n=2, cutoff=0.5)
    step = f"Did you mean {' or '.join(near)}?" if near else f"Use one of {', '.join(known)}."
    return BadRequestError(f"there is no {kind} {name[:60]!r}", next_step=step)
