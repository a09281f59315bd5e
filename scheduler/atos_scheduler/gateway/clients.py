"""The named clients of the gateway, and the file that remembers them (`~/.atos/gateway.json`)."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

from atos_protocol.errors import BadConfigError, BadRequestError
from atos_protocol.scheduler_api import DemandClass

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
MOST_CLIENTS = 32
LEAST_WEIGHT, MOST_WEIGHT = 0.25, 8.0


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """A program that has a loopback port of its own: the port is who it is."""

    name: str
    kind: DemandClass = "interactive"
    port: int = 0
    weight: float = 1.0
    """Each doubling counts as ten seconds of waiting more, where others wait as well."""

    @property
    def url(self) -> str:
        """Where the client finds its models."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def priority(self) -> int:
        """Return the priority of its demands."""
        return round(math.log2(self.weight))

    def check(self) -> GatewayClient:
        """Return itself, if its values can be kept.

        Raises:
            BadRequestError: one of them can't.
        """
        if not NAME.fullmatch(self.name):
            message = f"{self.name[:60]!r} is no name of a client"
            step = "Use up to 40 small letters, digits, dots, dashes and underscores."
            raise BadRequestError(message, next_step=step)
        if self.kind not in get_args(DemandClass):
            message = f"there is no class {self.kind[:60]!r}"
            raise BadRequestError(message, next_step="It is interactive or batch.")
        if not LEAST_WEIGHT <= self.weight <= MOST_WEIGHT:
            message = f"weight {self.weight:g} is not from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
            raise BadRequestError(message, next_step="1 is what a client has by itself.")
        if self.port != 0 and not 1024 <= self.port <= 65535:
            message = f"port {self.port} is not from 1024 to 65535"
            raise BadRequestError(message, next_step="Leave it out, and a free one is taken.")
        return self


class ClientFile:
    """Reads and writes the clients of one home."""

    def __init__(self, home: Path) -> None:
        self.path = home / "gateway.json"

    def read(self) -> list[GatewayClient]:
        """Return the clients; none where there is no file.

        Raises:
            BadConfigError: the file can't be understood.
        """
        try:
            found: Any = json.loads(self.path.read_text(encoding="utf-8"))
            rows = cast("list[dict[str, Any]]", found["clients"])
            return [GatewayClient(**row).check() for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, BadRequestError) as error:
            message = f"{self.path} can't be understood: {error}"
            step = "Remove it, and name the clients again: atos-client gateway on --as NAME:CLASS"
            raise BadConfigError(message, next_step=step) from error

    def write(self, clients: list[GatewayClient]) -> None:
        """Replace what is remembered.

        Raises:
            OSError: the home can't be written.
        """
        draft = self.path.with_suffix(".draft")
        text = json.dumps({"clients": [asdict(client) for client in clients]}, indent=2)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        draft.replace(self.path)
