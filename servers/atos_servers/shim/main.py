"""`atos-mcp NAME [DIR...]`: one of the servers over stdio, for an MCP host to start.

It imports next to nothing. Lists and handshakes are answered from the manifest; at the first other
request it finds or starts the server host and passes lines both ways. Also runs as
`python -S -I main.py NAME`, without site-packages and with HOME as its only environment variable.
"""

# pathlib would cost more than all the rest:
# ruff: noqa: PTH100, PTH111, PTH112, PTH118, PTH120, PTH123
from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` for it would cost more than all of this module
    from typing import Any

    from atos_protocol.host_protocol import Opening

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(HERE, "manifest.json")
USAGE = """\
usage: atos-mcp NAME [--tools=SETS] [--read-only] [DIR...]

Serves one of ATOS's MCP servers over stdio: {names}.
`all` has twelve tools of the others; --tools=SETS chooses among {toolsets}.
--read-only leaves out what changes anything.
{with_directories} accept the directories that they may access; the default
is the workspaces folder, ~/atos.

In an MCP host's configuration:
  {{"mcpServers": {{"atos": {{"command": "{command}", "args": ["all"]}}}}}}
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until the client ends; return the exit status (2 for wrong arguments)."""
    _find_siblings()
    import json

    from atos_servers.shim.stdio_loop import serve_stdio

    with open(MANIFEST, "rb") as file:
        manifest = json.load(file)
    servers = manifest["servers"]
    given = sys.argv[1:] if arguments is None else arguments
    if "--help" in given or "-h" in given:
        _write(1, _usage(servers))
        return 0
    try:
        opening = _parse(given, servers, manifest["digest"])
    except ValueError as error:
        _write(2, f"atos-mcp: {error}\n")
        return 2
    serve_stdio(opening, servers[opening.server])
    return 0


def _usage(servers: dict[str, Any]) -> str:
    from atos_protocol.host_protocol import WITH_DIRECTORIES

    command = os.path.join(os.path.dirname(sys.executable), "atos-mcp")
    *most, last = WITH_DIRECTORIES
    return USAGE.format(
        names=", ".join(servers),
        toolsets=", ".join(name for name in servers["all"]["toolsets"] if name),
        with_directories=f"{', '.join(most)} and {last}",
        command=command,
    )


def _parse(given: list[str], servers: dict[str, Any], digest: str) -> Opening:
    """Return what to open a connection with, or raise a ValueError that says what is wrong.

    A folder need not be there: a host that is set up before the folder is made would lose the whole server, and
    a call that names a missing one is told so anyway.
    """
    from atos_protocol.host_protocol import ALL, WITH_DIRECTORIES, Opening
    from atos_protocol.toolsets import Selection

    names = [each for each in given if not each.startswith("--")]
    tools, read_only = _options([each for each in given if each.startswith("--")])
    if not names:
        message = f"name a server: {', '.join(servers)}. See atos-mcp --help."
        raise ValueError(message)
    name, *directories = names
    if name not in servers:
        message = f"there is no server {name!r}. The servers are {', '.join(servers)}."
        raise ValueError(message)
    if (tools or read_only) and name != ALL:
        message = f"toolsets are for the server {ALL}: start {name} with its name alone."
        raise ValueError(message)
    if directories and name not in WITH_DIRECTORIES:
        message = f"the {name} server takes no directories: start it with its name alone."
        raise ValueError(message)
    if name == ALL:
        Selection(tools).names(servers[ALL]["toolsets"])
    paths = tuple(os.path.abspath(os.path.expanduser(path)) for path in directories)
    return Opening(name, "shim", paths, digest, tools=tools, read_only=read_only)


def _options(given: list[str]) -> tuple[str, bool]:
    """Return the toolsets, and whether only tools are wanted that change nothing."""
    tools, read_only = "", False
    for option in given:
        name, _, value = option.partition("=")
        if name == "--tools" and value:
            tools = value
        elif option == "--read-only":
            read_only = True
        else:
            message = f"there is no option {option!r}. See atos-mcp --help."
            raise ValueError(message)
    return tools, read_only


def _write(fd: int, text: str) -> None:
    os.write(fd, text.encode())


def _find_siblings() -> None:
    """Make our packages importable without site-packages: installed side by side, or as source roots."""
    root = os.path.dirname(os.path.dirname(HERE))
    for folder in (root, os.path.join(os.path.dirname(root), "clients")):
        if folder not in sys.path and any(
            os.path.isdir(os.path.join(folder, name)) for name in ("atos_servers", "atos_protocol")
        ):
            sys.path.append(folder)


if __name__ == "__main__":
    sys.exit(main())
