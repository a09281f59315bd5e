"""What a run leaves behind to be judged: canary tests and an authenticated stream of records. Pure.

Canary tests have known outcomes under random names: a run that reports them wrong was tampered with.
A record of the stream is believed only if its MAC continues the chain, and if it is one: code in the tests' own
process may have found the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from atos_protocol.verdicts import Judged, TestOutcome

OUTCOMES = frozenset(get_args(TestOutcome))
TEXTS, NUMBERS = (
    ("id", "when", "outcome", "why", "lines"),
    ("seconds", "statements", "missed", "candidate"),
)
NEEDED: Mapping[str, tuple[str, ...]] = {
    "test": ("id", "outcome"), "noted": ("id",), "not_collected": ("id",), "covered": ("id",),
    "load": ("candidate", "why"), "cell": ("candidate", "why"),
}  # fmt: skip
"""Event -> what its record must hold."""
MOST = 1e15
"""No number of a record is larger."""


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
    """Return the authentic records from the beginning up to the first line that is not.

    One line is looked at after the other: a list of millions of empty ones would be the host's memory.
    """
    records: list[dict[str, Any]] = []
    last, at = b"", 0
    # A killed writer leaves a torn last line; the missing finish record gives it away.
    while (end := data.find(b"\n", at)) >= 0:
        mac, _, body = data[at:end].partition(b" ")
        at, last = end + 1, hmac.new(key, last + body, hashlib.sha256).digest()
        authentic = hmac.compare_digest(mac, last.hex().encode())
        if not authentic or (record := _record(body)) is None:
            return Stream(tuple(records), intact=False)
        records.append(record)
    return Stream(tuple(records), intact=True)


def _record(body: bytes) -> dict[str, Any] | None:
    """Return a record; None for what the reporter never writes."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    record = cast("dict[str, Any]", found)
    event = record.get("event")
    sound = (
        isinstance(event, str)
        and all(name in record for name in NEEDED.get(event, ()))
        and all(isinstance(record.get(name, ""), str) for name in TEXTS)
        and all(_is_number(record.get(name, 0)) for name in NUMBERS)
        and record.get("outcome", "passed") in OUTCOMES
    )
    return record if sound else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= MOST


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
