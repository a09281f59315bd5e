"""Models from a cassette: record once against real models, replay strictly ever after.

A call is known by a hash of its request, in which whatever changes from run to run
(temporary paths, durations, addresses, commit ids, moments) is replaced; equal calls are told apart by
their count. Never by the order of all calls: parallel tasks reorder those. A prompt that was edited is
a miss, and a miss is an error that names what was recorded for the role.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos_orchestrator.agents.model_request import Chat, ModelRequest, Reply

_VOLATILE = re.compile(
    r"/tmp/[\w/.-]+|/var/folders/[\w/.-]+|0x[0-9a-f]+|\b\d+\.\d+ ?s\b|\b[0-9a-f]{40}\b"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
)
NEAREST = 3


class CassetteMissError(AssertionError):
    """The cassette has no reply to this call."""


def call_key(request: ModelRequest) -> str:
    """Return what identifies a call, whatever the run."""
    plain = _VOLATILE.sub("<X>", json.dumps(asdict(request), sort_keys=True))
    return f"{request.role}:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


class Cassette:
    """A file of recorded replies; `Chat` by way of `recording` or `replaying`."""

    def __init__(self, path: Path) -> None:
        """Open a cassette; one that is not there yet is empty."""
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._entries |= json.loads(path.read_text())
        self._count: Counter[str] = Counter()
        self._used: set[str] = set()

    @property
    def unused(self) -> list[str]:
        """Entries that no call has asked for; a test ends by asserting that there are none."""
        return sorted(set(self._entries) - self._used)

    def recording(self, live: Chat) -> Chat:
        """Return a `Chat` that asks `live` and keeps every reply."""

        async def record(request: ModelRequest) -> Reply:
            reply = await live(request)
            self._keep(request, reply)
            return reply

        return record

    def replaying(self) -> Chat:
        """Return a `Chat` that answers from the cassette alone."""

        async def replay(request: ModelRequest) -> Reply:
            return self._find(request)

        return replay

    def _name(self, key: str) -> str:
        self._count[key] += 1
        return f"{key}:{self._count[key]}"

    def _find(self, request: ModelRequest) -> Reply:
        """Return the next reply to a call.

        Raises:
            CassetteMissError: there is none; the message lists what comes nearest.
        """
        role = request.role
        name = self._name(call_key(request))
        if name not in self._entries:
            near = [entry for entry in self._entries if entry.startswith(f"{role}:")][:NEAREST]
            message = f"no reply was recorded for {name}; of {role} there are {near or 'none'}"
            raise CassetteMissError(message)
        self._used.add(name)
        return Reply(**self._entries[name]["reply"])

    def _keep(self, request: ModelRequest, reply: Reply) -> None:
        """Add a reply and write the file anew, atomically."""
        name = self._name(call_key(request))
        self._used.add(name)
        self._entries[name] = {"messages": list(request.messages), "reply": asdict(reply)}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._entries, indent=1, sort_keys=True) + "\n")
        fresh.replace(self._path)
