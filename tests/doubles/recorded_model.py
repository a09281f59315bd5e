"""The model seam from a cassette: record once against real models, replay strictly ever after.

A call is known by a hash of role, messages, schema and options, in which whatever changes from run to run
(temporary paths, durations, addresses, commit ids, moments) is replaced; equal calls are told apart by
their count. Never by the order of all calls: parallel tasks reorder those. A prompt that was edited is
a miss, and a miss is an error that names what was recorded for the role.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos_orchestrator.ports import Chat, Json, Reply

_VOLATILE = re.compile(
    r"/tmp/[\w/.-]+|/var/folders/[\w/.-]+|0x[0-9a-f]+|\b\d+\.\d+ ?s\b|\b[0-9a-f]{40}\b"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
)
NEAREST = 3


class CassetteMissError(AssertionError):
    """The cassette has no reply to this call."""


def call_key(role: str, messages: Sequence[Json], schema: Json | None, options: Json) -> str:
    """Return what identifies a call, whatever the run."""
    text = json.dumps([role, list(messages), schema, options], sort_keys=True)
    plain = _VOLATILE.sub("<X>", text)
    return f"{role}:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


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
        """Return a model seam that asks `live` and keeps every reply."""
        return _Recorder(self, live)

    def replaying(self) -> Chat:
        """Return a model seam that answers from the cassette alone."""
        return _Player(self)

    def _name(self, key: str) -> str:
        self._count[key] += 1
        return f"{key}:{self._count[key]}"

    def find(self, key: str, role: str) -> Reply:
        """Return the next reply to a call.

        Raises:
            CassetteMissError: there is none; the message lists what comes nearest.
        """
        name = self._name(key)
        if name not in self._entries:
            near = [entry for entry in self._entries if entry.startswith(f"{role}:")][:NEAREST]
            message = f"no reply was recorded for {name}; of {role} there are {near or 'none'}"
            raise CassetteMissError(message)
        self._used.add(name)
        return Reply(**self._entries[name]["reply"])

    def keep(self, key: str, messages: Sequence[Json], reply: Reply) -> None:
        """Add a reply and write the file anew, atomically."""
        name = self._name(key)
        self._used.add(name)
        self._entries[name] = {"messages": list(messages), "reply": asdict(reply)}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._entries, indent=1, sort_keys=True) + "\n")
        fresh.replace(self._path)


class _Recorder:
    def __init__(self, cassette: Cassette, live: Chat) -> None:
        self._cassette = cassette
        self._live = live

    async def __call__(
        self, role: str, messages: Sequence[Json], *, schema: Json | None = None, **options: Any
    ) -> Reply:
        reply = await self._live(role, messages, schema=schema, **options)
        self._cassette.keep(call_key(role, messages, schema, _plain(options)), messages, reply)
        return reply


class _Player:
    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette

    async def __call__(
        self, role: str, messages: Sequence[Json], *, schema: Json | None = None, **options: Any
    ) -> Reply:
        return self._cassette.find(call_key(role, messages, schema, _plain(options)), role)


_DEFAULTS: Json = {"max_tokens": 1024, "temperature": 0.0, "seed": 0}


def _plain(options: Json) -> Json:
    """Fill in defaults, so that leaving an option out and naming its default is one call."""
    return _DEFAULTS | options
