"""The first or last lines of a file of any size, without reading the rest."""

from __future__ import annotations

import os
from typing import NamedTuple

BLOCK = 64 << 10


class Excerpt(NamedTuple):
    """Some whole lines, and whether the limit of bytes cut them short."""

    data: bytes
    cut: bool


def head(handle: int, count: int, limit: int) -> Excerpt:
    """Return the first lines of an open file, at most `limit` bytes of them."""
    data = bytearray()
    while data.count(b"\n") < count and len(data) < limit:
        block = os.pread(handle, min(BLOCK, limit - len(data)), len(data))
        if not block:
            break
        data += block
    lines = bytes(data).split(b"\n")
    return Excerpt(b"\n".join(lines[:count]), cut=len(lines) <= count and len(data) >= limit)


def tail(handle: int, count: int, limit: int) -> Excerpt:
    """Return the last lines of an open file, at most `limit` bytes of them."""
    end = os.fstat(handle).st_size
    data = b""
    start = end
    # one line end more than lines: the file may end with one, and the first line must be whole
    while start > 0 and data.count(b"\n") <= count and end - start < limit:
        size = min(BLOCK, start, limit - (end - start))
        start -= size
        data = os.pread(handle, size, start) + data
    lines = data.removesuffix(b"\n").split(b"\n")
    return Excerpt(b"\n".join(lines[-count:]), cut=len(lines) <= count and start > 0)
