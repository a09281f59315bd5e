"""How a connection to the host's Unix socket begins, and how it is framed.

    {"atos": 1, "server": NAME, "roots": [ABSOLUTE DIRECTORIES], "client": WHO}

is the first line; then MCP's stdio framing follows, one JSON-RPC message a line. For the server `all` it may
add `"tools": TOOLSETS` and `"readOnly": true`. NAME `host` is the
host itself: `{"op": "status"}` and `{"op": "shutdown"}`, one JSON object a line. A shim adds
`"manifest": DIGEST` to its line and is answered by one line before anything else: whether the tools
it advertises are still the host's. A connection that is refused gets one line with the error.

The stdio shim imports this before anything else, and its start is waited for: so no dataclasses, no
pathlib, no typing here.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` for it would cost more than all of this module
    from typing import Any

    from atos_protocol.errors import AtosError

PROTOCOL = 1
"""Raised when a change would break an older client."""

SERVERS = ("orchestrate", "filesystem", "code_runner", "workflow", "vram")
"""The five servers, in the order in which they are listed everywhere."""

ALL = "all"
"""One server with tools of the five; which of them, the opening line says."""

N8N = "n8n"
"""Four tools for n8n's agents."""

ENTRIES = (*SERVERS, ALL, N8N)
"""What a client may connect to, besides the host itself."""

WITH_DIRECTORIES = ("orchestrate", "filesystem", "code_runner", "workflow", ALL)
"""Servers that accept the directories which they may access."""

HOST = "host"
"""Named instead of a server by those who ask the host about itself."""

CLIENTS = ("shim", "python", "cli", "worker")
"""Who may open a connection: an MCP host's shim, the library, the command line, the goal worker."""

MAX_ROOTS = 64
MAX_LINE_BYTES = 16 << 20
"""Longest line that is taken, in bytes."""


class Opening:
    """A valid opening line."""

    __slots__ = ("client", "manifest", "read_only", "roots", "server", "tools")

    def __init__(
        self,
        server: str,
        client: str,
        roots: tuple[str, ...] = (),
        manifest: str = "",
        *,
        tools: str = "",
        read_only: bool = False,
    ) -> None:
        self.server = server
        """One of `ENTRIES`, or `HOST`."""
        self.client = client
        """One of `CLIENTS`."""
        self.roots = roots
        """Absolute directories that the server may touch for this client; empty: its default."""
        self.manifest = manifest
        """Digest of the manifest that a shim answers from; empty for everybody else."""
        self.tools = tools
        """Toolsets of the server `all`, separated by commas; empty: the default ones."""
        self.read_only = read_only
        """Whether only tools that change nothing are wanted."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opening) and self.line() == other.line()

    def __hash__(self) -> int:
        return hash(self.line())

    def __repr__(self) -> str:
        return f"Opening({self.line().decode().strip()})"

    def line(self) -> bytes:
        """Return the line, with its newline."""
        fields: dict[str, Any] = {"atos": PROTOCOL, "server": self.server}
        fields |= {"roots": list(self.roots), "client": self.client}
        fields |= {"manifest": self.manifest} if self.manifest else {}
        fields |= {"tools": self.tools} if self.tools else {}
        fields |= {"readOnly": True} if self.read_only else {}
        return json.dumps(fields).encode() + b"\n"


def parse_opening(line: bytes | None) -> Opening:
    """Read an opening line; None stands for one that was too long.

    Raises:
        BadRequestError: it is not an opening line of this protocol.
        NotFoundError: there is no such server.
    """
    from atos_protocol.errors import BadRequestError, NotFoundError

    try:
        fields: Any = json.loads(line or b"")
    except (ValueError, RecursionError):
        fields = None
    known: dict[str, Any] = fields if isinstance(fields, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    theirs = known.get("atos")
    if isinstance(theirs, int) and theirs != PROTOCOL:
        message = f"the server host speaks protocol {PROTOCOL}, and its client protocol {theirs}"
        step = "Another version of ATOS runs than is installed. Run `atos-client down`, then again."
        raise BadRequestError(message, next_step=step)
    if theirs != PROTOCOL:
        message = f"the connection must open with a line of protocol {PROTOCOL}"
        step = 'Send {"atos": 1, "server": NAME, "roots": [], "client": "python"} first.'
        raise BadRequestError(message, next_step=step)
    server, client, manifest = known.get("server"), known.get("client"), known.get("manifest")
    if server not in (*ENTRIES, HOST):
        message = f"there is no server {server!r}"
        raise NotFoundError(message, next_step=f"The servers are {', '.join(ENTRIES)}.")
    if client not in CLIENTS:
        message = f"the opening line names an unknown client {client!r}"
        raise BadRequestError(message, next_step=f"It is one of {', '.join(CLIENTS)}.")
    roots = _roots(known.get("roots"))
    tools = known.get("tools")
    return Opening(
        server,
        client,
        roots,
        manifest if isinstance(manifest, str) else "",
        tools=tools if isinstance(tools, str) else "",
        read_only=known.get("readOnly") is True,
    )


def _roots(value: Any) -> tuple[str, ...]:
    from atos_protocol.errors import BadRequestError

    named: list[Any] = [] if value is None else [None]  # None is no directory
    if isinstance(value, list):
        named = value  # pyright: ignore[reportUnknownVariableType]
    if len(named) > MAX_ROOTS or not all(isinstance(path, str) for path in named):
        message = f"roots must be a list of at most {MAX_ROOTS} directories"
        raise BadRequestError(message, next_step="Name absolute directories, as strings.")
    if relative := [path for path in named if not path.startswith("/") or "\0" in path]:
        message = f"not an absolute directory: {relative[0]!r}"
        raise BadRequestError(message, next_step="Name absolute directories.")
    return tuple(named)


def refusal(error: AtosError) -> bytes:
    """Return the line that refuses a connection, without its newline."""
    return json.dumps({"atos": PROTOCOL, "error": error.to_wire()}).encode()


def refused(reply: dict[str, Any]) -> AtosError | None:
    """Return why the host refused the connection, if this first reply says that it did."""
    if "atos" not in reply or "error" not in reply:
        return None
    from atos_protocol.errors import from_wire

    return from_wire(reply["error"])


class LineSplitter:
    """Cuts a byte stream into lines and keeps no more than one line's limit in memory."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line are kept now."""
        return sum(len(part) for part in self._parts)

    def feed(self, data: bytes) -> list[bytes | None]:
        """Return the lines that end in `data`, without their newline; None for one over the limit."""
        lines: list[bytes | None] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            lines.append(b"".join(self._parts) if self._size <= self._limit else None)
            self._parts.clear()
            self._size = 0
            start = end + 1
        self._keep(data[start:])
        return lines

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        else:  # the rest of this line is read and thrown away
            self._parts.clear()
