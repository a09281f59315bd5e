"""Reads the report stream: believes a record only if its MAC continues the chain. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Stream:
    """What came over the report channel."""

    records: tuple[dict[str, Any], ...]
    intact: bool
    """False when a line was not written by the holder of the key, in this order."""


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
    # A torn last line is what a killed writer leaves; the missing finish record tells of it.
    return Stream(tuple(records), intact=True)
