"""How much one reply carries, and the cursors that lead to the rest. Pure.

A model's reply has room for about 7,500 tokens, measured as it travels (JSON escapes included); a
program's for a whole file. A cursor is text without meaning for the client: it is handed back as it
came, and shows where the next page begins.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.paths import Parts

MODEL_ROOM = 29_000
"""JSON bytes of content in one reply to a model: below what the host cuts, with room for facts."""
PROGRAM_ROOM = 8 << 20
"""Bytes of content in one reply to a program."""

_ESCAPED = {"\n": 2, "\r": 2, "\t": 2, "\b": 2, "\f": 2, '"': 2, "\\": 2}
_COSTS = bytes(_ESCAPED.get(chr(byte), 6 if byte < 32 else 1) for byte in range(256))
_LATIN_COSTS = bytes(2 if byte > 127 else cost for byte, cost in enumerate(_COSTS))


class Reply(NamedTuple):
    """A tool's answer: its text, facts beside it for programs, and a note on what was left out."""

    text: str
    facts: dict[str, Any] = {}  # noqa: RUF012 - never changed
    note: str = ""


class Room(NamedTuple):
    """The room for content in one reply."""

    bytes: int
    escaped: bool
    """Whether it is measured as JSON."""

    def fitting(self, data: bytes, *, latin: bool = False) -> int:
        """Return how many bytes from the beginning of `data` fit."""
        if not self.escaped or len(data) * 6 <= self.bytes:
            return min(len(data), self.bytes)
        costs = data[: self.bytes].translate(_LATIN_COSTS if latin else _COSTS)
        return bisect_right(list(accumulate(costs)), self.bytes)

    def cost(self, text: str) -> int:
        """Return what a text takes."""
        raw = text.encode("utf-8", "replace")
        return sum(raw.translate(_COSTS)) if self.escaped else len(raw)


FOR_MODELS = Room(MODEL_ROOM, escaped=True)
FOR_PROGRAMS = Room(PROGRAM_ROOM, escaped=False)


class TextPlace(NamedTuple):
    """Where a page of a text begins."""

    offset: int = 0
    """Byte."""
    line: int = 1
    last: int = 0
    """The last line that was asked for; 0: up to the end."""

    @property
    def cursor(self) -> str:
        """The place as a cursor."""
        return ":".join(map(str, self if self.last else self[:2]))


def text_place(cursor: str) -> TextPlace:
    """Return the place that a cursor of a text is.

    Raises:
        BadRequestError: it is not one.
    """
    numbers = cursor.split(":")
    if not 2 <= len(numbers) <= 3 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise bad_cursor(cursor)
    if any(len(number) > 18 for number in numbers):
        raise bad_cursor(cursor)
    return TextPlace(*map(int, numbers))


def path_cursor(parts: Parts) -> str:
    """Return the cursor behind a path of a walk."""
    return quote(os.fsencode("/".join(parts)), safe="/")


def path_of(cursor: str) -> Parts:
    """Return the path that a cursor of a walk stands behind; () for the beginning.

    Raises:
        BadRequestError: no walk comes by such a path.
    """
    text = os.fsdecode(unquote_to_bytes(cursor.encode("utf-8", "replace")))
    parts = tuple(part for part in text.split("/") if part)
    if "\0" in text or not {".", ".."}.isdisjoint(parts):
        raise bad_cursor(cursor)
    return parts


def bad_cursor(cursor: str) -> BadRequestError:
    """Return the error for a text that is no cursor."""
    message = f"{cursor[:60]!a} is not a cursor of this tool"
    return BadRequestError(message, next_step="Pass nextCursor of the last reply, or none.")


def rest(shown: str, cursor: str) -> str:
    """Return the note under a page that does not end the content."""
    return f"[{shown}. Next: the same call with cursor={json.dumps(cursor)}]"
