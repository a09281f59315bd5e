"""`atos-mcp NAME [DIR...]`: one of the five servers over stdio, for an MCP host to start.

It imports next to nothing. Lists and handshakes are answered from the manifest; at the first other
request it finds or starts the server host and passes lines both ways. Also runs as
`python -S -I main.py NAME`, without site-packages and with HOME as its only environment variable.
"""

# pathlib would cost more than all the rest:
# ruff: noqa: PTH100, PTH111, PTH112, PTH118, PTH120, PTH123
from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(HERE, "manifest.json")
WITH_DIRECTORIES = ("orchestrate", "filesystem", "code_runner")
USAGE = """\
usage: atos-mcp NAME [DIR...]

Serves one of ATOS's MCP servers over stdio: {names}.
{with_directories} accept the directories that they may access; the default
is the workspaces folder, ~/atos.

In an MCP host's configuration:
  {{"mcpServers": {{"atos-orchestrate": {{"command": "{command}", "args": ["orchestrate"]}}}}}}
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until the client ends; return the exit status (2 for wrong arguments)."""
    _find_siblings()
    import json

    from atos_protocol.host_protocol import Opening
    from atos_servers.shim.stdio_loop import serve_stdio

    with open(MANIFEST, "rb") as file:
        manifest = json.load(file)
    names = list(manifest["servers"])
    given = sys.argv[1:] if arguments is None else arguments
    if "--help" in given or "-h" in given:
        _write(1, _usage(names))
        return 0
    try:
        name, directories = _parse(given, names)
    except ValueError as error:
        _write(2, f"atos-mcp: {error}\n")
        return 2
    opening = Opening(name, "shim", tuple(directories), manifest["digest"])
    serve_stdio(opening, manifest["servers"][name])
    return 0


def _usage(names: list[str]) -> str:
    command = os.path.join(os.path.dirname(sys.executable), "atos-mcp")
    *most, last = WITH_DIRECTORIES
    with_directories = f"{', '.join(most)} and {last}"
    return USAGE.format(names=", ".join(names), with_directories=with_directories, command=command)


def _parse(given: list[str], names: list[str]) -> tuple[str, list[str]]:
    """Return the server and the absolute directories, or raise a ValueError that says what is wrong."""
    if not given:
        message = f"name a server: {', '.join(names)}. See atos-mcp --help."
        raise ValueError(message)
    name, *directories = given
    if name not in names:
        message = f"there is no server {name!r}. The servers are {', '.join(names)}."
        raise ValueError(message)
    if directories and name not in WITH_DIRECTORIES:
        message = f"the {name} server takes no directories: start it with its name alone."
        raise ValueError(message)
    paths = [os.path.abspath(os.path.expanduser(path)) for path in directories]
    for path in paths:
        if not os.path.isdir(path):
            message = f"there is no directory {path}: create it, or name another."
            raise ValueError(message)
    return name, paths


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
