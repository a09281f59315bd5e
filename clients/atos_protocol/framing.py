"""Newline framing with a bound: what the shim and the host read from untrusted peers.

Standard library only: the shim reads it before anything heavy is imported.
"""

from __future__ import annotations

MAX_LINE_BYTES = 16 << 20
"""Longest message that is taken, in bytes."""


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
