r"""One page of a text file of any size, cut where a line ends; a line that is longer, between characters.

    cursor or start_line or tail -> byte offset -> page that fits the reply -> cursor of the next one

What a file is (encoding, line end, hash, number of lines) is told for files that can be read at once.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem import file_io
from atos_servers.filesystem.edits import PROBE, decode
from atos_servers.filesystem.errors import TooBigError
from atos_servers.filesystem.pages import Room, TextPlace, bad_cursor

WHOLE = 8 << 20
"""Bytes up to which a file is read at once."""
BLOCK = 1 << 20
SCAN_SECONDS = 2.0
"""Processor time for finding a line by its number."""

Pread = Callable[[int, int], bytes]
"""Return some bytes from an offset."""


class TextFile(NamedTuple):
    """An open text file."""

    read: Pread
    size: int
    encoding: str
    """`utf-8` or `latin-1`; "" for a file that is too big to know: each page is judged alone."""
    facts: dict[str, Any]


class TextPage(NamedTuple):
    """Some lines, and where the next page begins; None at the end of what was asked for."""

    text: str
    start: TextPlace
    next: TextPlace | None


def facts_of(data: bytes, encoding: str) -> dict[str, Any]:
    """Return what a client may want to know of a text: hash, line end, encoding, number of lines."""
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "lineEnding": line_ending(data),
        "encoding": encoding,
        "totalLines": data.count(b"\n") + bool(data and not data.endswith(b"\n")),
    }


def line_ending(data: bytes) -> str:
    """Return `lf`, `crlf`, `mixed` or `none`."""
    ends, windows = data.count(b"\n"), data.count(b"\r\n")
    if not ends:
        return "none"
    return "lf" if not windows else "crlf" if windows == ends else "mixed"


def text_file(handle: int, shown: str) -> TextFile:
    """Look at an open file; one of up to 8 MiB is read.

    Raises:
        NotTextError: there is a NUL near its beginning.
    """
    size = os.fstat(handle).st_size
    if size > WHOLE:
        decode(os.pread(handle, PROBE, 0), shown)

        def from_disk(at: int, count: int) -> bytes:
            return os.pread(handle, count, at)

        return TextFile(from_disk, size, "", {})
    data = file_io.read_all(handle, WHOLE)
    _text, encoding = decode(data, shown)
    facts = facts_of(data, encoding)

    def from_memory(at: int, count: int) -> bytes:
        return data[at : at + count]

    return TextFile(from_memory, len(data), encoding, facts)


def line_place(file: TextFile, line: int, last: int, shown: str) -> TextPlace:
    """Find a line by its number, from 1.

    Raises:
        BadRequestError: there are fewer lines.
        TooBigError: it lies so far behind that looking for it takes too long.
    """
    at, number, deadline = 0, 1, time.thread_time() + SCAN_SECONDS
    while number < line:
        block = file.read(at, BLOCK)
        if not block:
            message = f"{shown} has {number} lines, and line {line} was requested"
            raise BadRequestError(message, next_step="Request an earlier line, or use tail.")
        if time.thread_time() > deadline:
            message = f"line {line} of {shown} lies behind byte {at}, too far to count to it"
            step = f'Begin there with cursor="{at}:{number}", or search with grep.'
            raise TooBigError(message, next_step=step)
        ends = block.count(b"\n")
        if number + ends < line:
            number, at = number + ends, at + len(block)
            continue
        at += file_io.nth_end(block, line - number) + 1
        number = line
    return TextPlace(at, line, last)


def tail_place(handle: int, file: TextFile, count: int) -> TextPlace:
    """Find where the last lines begin, 8 MiB before the end at most."""
    found = file_io.tail_start(handle, count, WHOLE)
    total = file.facts.get("totalLines")
    return TextPlace(found, max(1, total - count + 1) if total is not None else 0)


def page(file: TextFile, start: TextPlace, room: Room) -> TextPage:
    """Return the page that begins at a place."""
    if start.offset > file.size:
        raise bad_cursor(start.cursor)
    start = _at_character(file, start)
    data = file.read(start.offset, room.bytes)
    behind = start.offset + len(data)
    done, data = _up_to_last_line(data, start)
    latin = _is_latin(file, data)
    taken = room.fitting(data, latin=latin)
    if taken == len(data) and (done or behind >= file.size):
        return TextPage(_text(data, latin=latin), start, None)
    shown = _whole(data[:taken], latin=latin) or data[:1]
    ends = shown.count(b"\n")
    line = start.line + ends if start.line else 0
    following = TextPlace(start.offset + len(shown), line, start.last)
    return TextPage(_text(shown, latin=latin), start, following)


def _up_to_last_line(data: bytes, start: TextPlace) -> tuple[bool, bytes]:
    """Cut off what lies behind the last line that was asked for; say whether that line ends here."""
    if not start.last:
        return False, data
    wanted = start.last - start.line + 1
    if wanted < 1:
        return True, b""
    if data.count(b"\n") < wanted:
        return False, data
    return True, data[: file_io.nth_end(data, wanted)]


def _whole(data: bytes, *, latin: bool) -> bytes:
    """Return the whole lines at the beginning, or whole characters where no line ends."""
    if end := data.rfind(b"\n") + 1:
        return data[:end]
    return data if latin else data[: len(data) - _broken_end(data)]


def _broken_end(data: bytes) -> int:
    """Return how many bytes at the end belong to a character that goes on behind them."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if length > back else 0
    return 0


def _at_character(file: TextFile, start: TextPlace) -> TextPlace:
    """Step back to where a character begins: a client may have made its cursor up."""
    if file.encoding == "latin-1" or not start.offset:
        return start
    begin = max(0, start.offset - 3)
    around = file.read(begin, start.offset - begin + 1)
    back = start.offset - begin
    if len(around) <= back or around[back] & 0xC0 != 0x80:
        return start
    return start._replace(offset=start.offset - _broken_end(around[:back]))


def _is_latin(file: TextFile, data: bytes) -> bool:
    if file.encoding:
        return file.encoding == "latin-1"
    try:
        data[: len(data) - _broken_end(data)].decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _text(data: bytes, *, latin: bool) -> str:
    return data.decode("latin-1") if latin else data.decode("utf-8", "replace")
