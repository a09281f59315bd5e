"""Our entries in a host's configuration: how the host starts the shim.

The interpreter is absolute, because a host that a desktop started has a short PATH; so is the shim, because
it starts without site-packages; and the home travels in `env` where it is not the default one, because
hosts pass on six variables and no more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atos.cli.plugging.mcp_hosts import McpHost, System, unknown
from atos_protocol.errors import NotFoundError
from atos_protocol.host_protocol import ALL, ENTRIES, WITH_DIRECTORIES

OUR_SHIM = os.path.join("atos_servers", "shim", "main.py")  # noqa: PTH118 - compared as text


@dataclass(frozen=True, slots=True)
class Entry:
    """One server as a host starts it."""

    name: str
    """As the host lists it: `atos`, `atos-filesystem`."""
    server: str
    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]

    def as_written(self, host: McpHost, system: System) -> dict[str, Any]:
        """Return it as the host's file holds it."""
        command, args = self.command, list(self.args)
        if system.distribution and host.name == "claude-desktop":  # a Windows program: through WSL
            settings = [f"{name}={value}" for name, value in self.env.items()]
            prefix = ["/usr/bin/env", *settings] if settings else []
            args = ["-d", system.distribution, "--", *prefix, command, *args]
            return {"command": "wsl.exe", "args": args}
        typed = {"type": "stdio"} if host.typed else {}
        env = {"env": dict(self.env)} if self.env else {}
        return {**typed, "command": command, "args": args, **env}


def make_entries(
    servers: Sequence[str],
    *,
    directories: Sequence[Path] = (),
    options: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> list[Entry]:
    """Return the entries of some servers.

    Args:
        servers: names from `ENTRIES`; their order is kept.
        directories: what the tools may access; those of the settings where none is named.
        options: further arguments of the `all` server, such as `--read-only`.
        environ: where `ATOS_HOME` may stand.

    Raises:
        BadRequestError: there is no such server.
        NotFoundError: the servers are not installed beside this client.
    """
    shim = shim_command()
    home = environ.get("ATOS_HOME", "")
    env = {"ATOS_HOME": str(Path(home).expanduser().absolute())} if home else {}
    made: list[Entry] = []
    for given in servers:
        server = given.removeprefix("atos-").replace("-", "_")
        if server not in ENTRIES:
            raise unknown(given, ENTRIES, "server")
        name = "atos" if server == ALL else f"atos-{server.replace('_', '-')}"
        places = map(str, directories) if server in WITH_DIRECTORIES else ()
        more = options if server == ALL else ()
        made.append(Entry(name, server, sys.executable, (*shim, server, *more, *places), env))
    return made


def is_ours(entry: Any) -> bool:
    """Tell whether an entry of a host's file starts our shim, whichever installation it belongs to."""
    return any(mark in json.dumps(entry) for mark in (OUR_SHIM, "atos-mcp"))


def shim_command() -> list[str]:
    """Return the interpreter arguments that start the stdio shim by its path.

    `-S -I` skip site-packages and the environment: the shim needs neither, and starts in 20 ms.

    Raises:
        NotFoundError: the servers are not installed beside this client.
    """
    spec = find_spec("atos_servers")
    if spec is None or not spec.submodule_search_locations:
        message = "the ATOS servers are not installed in this environment"
        raise NotFoundError(message, next_step="Install the whole of ATOS: pip install atos")
    return ["-S", "-I", f"{spec.submodule_search_locations[0]}/shim/main.py"]
