"""What a run leaves behind to be judged: canary tests and an authenticated stream of records. Pure.

Canary tests have known outcomes under random names: a run that reports them wrong was tampered with.
A record of the stream is believed only if its MAC continues the chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atos_protocol.verdicts import Judged


@dataclass(frozen=True, slots=True)
class Canaries:
    """One file of canary tests, with the outcome that each must have."""

    file: str
    text: str
    outcomes: dict[str, str]
    """Node id -> outcome."""


def new_canaries() -> Canaries:
    """Make a fresh set: one that passes, one whose assertion fails, one that raises."""
    token = secrets.token_hex(6)
    number = secrets.randbelow(10**9)
    file = f"test_{token}.py"
    passes, fails, raises = (f"test_{secrets.token_hex(6)}" for _ in range(3))
    text = (
        f"def {passes}():\n    assert {number} == {number}\n\n\n"
        f"def {fails}():\n    assert {number} == {number + 1}\n\n\n"
        f"def {raises}():\n    raise KeyError({token!r})\n"
    )
    names = {passes: "passed", fails: "failed", raises: "failed"}
    return Canaries(file, text, {f"{file}::{name}": outcome for name, outcome in names.items()})


@dataclass(frozen=True, slots=True)
class Stream:
    """The authentic records of one run."""

    records: tuple[dict[str, Any], ...]
    intact: bool
    """False when a line was not written by the holder of the key, in this order."""

    @property
    def started(self) -> bool:
        """Whether the environment was able to begin: later code can't take this record back."""
        return bool(self.records) and self.records[0]["event"] == "started"

    @property
    def broken(self) -> str:
        """Why the environment can't run anything, if it was able to say so; else empty."""
        first = self.records[0] if self.records else {}
        return first.get("why", "") if first.get("event") == "broken" else ""


def read_stream(data: bytes, key: bytes) -> Stream:
    """Return the authentic records from the beginning up to the first line that is not."""
    records: list[dict[str, Any]] = []
    last = b""
    *lines, _torn = data.split(b"\n")
    for line in lines:
        mac, _, body = line.partition(b" ")
        expected = hmac.new(key, last + body, hashlib.sha256).digest()
        if not hmac.compare_digest(mac, expected.hex().encode()):
            return Stream(tuple(records), intact=False)
        last = expected
        records.append(json.loads(body))
    # A killed writer leaves a torn last line; the missing finish record gives it away.
    return Stream(tuple(records), intact=True)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about a run that ended."""

    stream: Stream
    canaries: Canaries
    expected: Sequence[str]
    """Ids of the tests that the sources contain."""
    steering: Sequence[str]
    """Steering files found in the folder."""
    cause: str
    """Why the run was ended from outside; empty when it ended by itself."""
    code: int
    """Exit code of pytest, or minus the signal."""
    judged: Judged = "in-process"
    """Whether the tests ran apart from the code."""
    refused: Sequence[str] = ()
    """Why the code may not run at this isolation level."""
    stderr: str = ""
