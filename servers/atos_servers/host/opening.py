"""The first line of a connection to the host's socket: who calls, which server, which directories.

`{"atos": 1, "server": NAME, "roots": [ABSOLUTE DIRECTORIES], "client": WHO}`; a shim adds
`"manifest": DIGEST` and is then told, in one line before anything else, whether the tools it
advertises are still the host's. NAME `host` is the host itself (see `control`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from atos_protocol.errors import AtosError, BadRequestError, NotFoundError
from atos_servers.host.connection import Client, Connection

PROTOCOL = 1
NAMES = ("orchestrate", "filesystem", "code_runner", "workflow", "vram")
"""The five servers, in the order in which they are listed everywhere."""

HOST = "host"
MAX_ROOTS = 64
CLIENTS = tuple(name for name in get_args(Client) if name != "http")


@dataclass(frozen=True, slots=True)
class Opening:
    """A valid opening line."""

    server: str
    connection: Connection
    manifest: str | None = None
    """Digest of the manifest that a shim answers from; None for everybody else."""


def refusal(error: AtosError) -> bytes:
    """Return the line that refuses a connection."""
    return json.dumps({"atos": PROTOCOL, "error": error.to_wire()}).encode()


def parse_opening(line: bytes | None) -> Opening:
    """Read the opening line.

    Raises:
        BadRequestError: it is no opening line of this protocol.
        NotFoundError: there is no such server.
    """
    try:
        fields: Any = json.loads(line or b"")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or cast("dict[str, Any]", fields).get("atos") != PROTOCOL:
        message = f"the connection must open with a line of protocol {PROTOCOL}"
        step = 'Send {"atos": 1, "server": NAME, "roots": [], "client": "python"} first.'
        raise BadRequestError(message, next_step=step)
    known = cast("dict[str, Any]", fields)
    server, manifest = known.get("server"), known.get("manifest")
    if server not in (*NAMES, HOST):
        message = f"there is no server {server!r}"
        raise NotFoundError(message, next_step=f"The servers are {', '.join(NAMES)}.")
    return Opening(
        server=server,
        connection=Connection(
            client=_client(known.get("client")), roots=_roots(known.get("roots"))
        ),
        manifest=manifest if isinstance(manifest, str) else None,
    )


def _client(value: Any) -> Client:
    if value not in CLIENTS:
        message = f"the opening line names an unknown client {value!r}"
        raise BadRequestError(message, next_step=f"It is one of {', '.join(CLIENTS)}.")
    return value


def _roots(value: Any) -> tuple[Path, ...]:
    named = cast("list[Any]", value if isinstance(value, list) else [] if value is None else [None])
    if len(named) > MAX_ROOTS or not all(isinstance(path, str) for path in named):
        message = f"roots must be a list of at most {MAX_ROOTS} directories"
        raise BadRequestError(message, next_step="Name absolute directories, as strings.")
    if relative := [path for path in named if not path.startswith("/") or "\0" in path]:
        message = f"not an absolute directory: {relative[0]!r}"
        raise BadRequestError(message, next_step="Name absolute directories.")
    return tuple(Path(path) for path in named)
