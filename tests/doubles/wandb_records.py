"""The records in a run file of Weights & Biases: LevelDB's log format behind a header of seven bytes."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER = b":W&B"
HEADER_BYTES = 7
BLOCK = 1 << 15
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the payload of every record."""
    assert data.startswith(HEADER)
    at, parts = HEADER_BYTES, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # what is left of a block is padding
            at += BLOCK - at % BLOCK
            continue
        _sum, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + 7 : at + 7 + length]
        at += 7 + length
        parts = piece if kind in {FULL, FIRST} else parts + piece
        if kind in {FULL, LAST}:
            yield parts


def records(path: Path) -> Iterator[Any]:
    """Yield the records of a run, read with W&B's own messages."""
    messages: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    for payload in payloads(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(payload)
        yield record
