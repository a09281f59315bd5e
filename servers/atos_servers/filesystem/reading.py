"""The operations that read files: as text, page by page, as bytes, and what is known of them."""

from __future__ import annotations

import base64
import mimetypes
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from atos_protocol.errors import AtosError, BadRequestError
from atos_servers.filesystem.errors import NotTextError, TooBigError
from atos_servers.filesystem.pages import Reply, Room, TextPlace, rest, text_place
from atos_servers.filesystem.paths import RootedPath
from atos_servers.filesystem.root import MAX_BYTES, ConfinedRoot
from atos_servers.filesystem.text_pages import (
    TextFile,
    TextPage,
    line_place,
    page,
    tail_place,
    text_file,
)
from atos_servers.filesystem.workspace import Workspace

MAX_FILES = 100
"""Most files that one call of read_multiple_files reads."""
LEAST_ROOM = 400
"""Bytes below which no further file is begun."""
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800, 253_402_300_799
"""Of the years 1 to 9999, in seconds since 1970."""


class Range(NamedTuple):
    """Which lines of a file are wanted; nothing means all of them."""

    head: int = 0
    tail: int = 0
    start_line: int = 0
    cursor: str = ""


class Media(NamedTuple):
    """Bytes as base64, with their type, where they are and how many the file has."""

    data: str
    mime: str
    offset: int
    size: int


class Reads:
    """The reading operations of one connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def text(self, path: str, wanted: Range = Range()) -> Reply:  # noqa: B008 - immutable
        """Return a page of a text file, with its hash, line end, encoding and number of lines."""
        return self._page(path, wanted, self._workspace.room)

    def _page(self, path: str, wanted: Range, room: Room) -> Reply:
        _check(wanted)
        with self._workspace.at(path) as (root, place), root.file(place.parts) as handle:
            file = text_file(handle, place.shown)
            found = page(file, _start(handle, file, wanted, place.shown), room)
        return _reply(found, file, wanted)

    def media(self, path: str, offset: int = 0, length: int = 0) -> Media:
        """Return a file as base64, or some bytes of it."""
        with self._workspace.at(path) as (root, place), root.file(place.parts) as handle:
            size = os.fstat(handle).st_size
            count = length or size - offset
            if count > MAX_BYTES:
                message = f"{place.shown} has {size} bytes, and {MAX_BYTES} can be read at once"
                step = f"Read it in parts: offset=0, length={MAX_BYTES // 8}, and so on."
                raise TooBigError(message, next_step=step)
            if offset > size:
                message = f"{place.shown} has {size} bytes, and none at offset {offset}"
                raise BadRequestError(message, next_step="Use a smaller offset.")
            data = os.pread(handle, max(count, 0), offset)
        whole = not offset and len(data) == size
        mime = (mimetypes.guess_type(path)[0] if whole else None) or "application/octet-stream"
        return Media(base64.b64encode(data).decode("ascii"), mime, offset, size)

    def many(self, paths: Sequence[str]) -> Reply:
        """Return several text files; one that can't be read does not stop the others."""
        if not 0 < len(paths) <= MAX_FILES:
            message = f"{len(paths)} paths were given; 1 to {MAX_FILES} can be read at once"
            raise BadRequestError(message, next_step="Name fewer files.")
        room, parts = self._workspace.room, list[str]()
        left = room.bytes
        for path in paths:
            part = self._part(path, Room(left - LEAST_ROOM, room.escaped))
            left -= room.cost(part) + room.cost("\n---\n")
            parts.append(part)
        return Reply("\n---\n".join(parts))

    def _part(self, path: str, room: Room) -> str:
        shown = path[:200]
        if room.bytes < LEAST_ROOM:
            return f"{shown}: Error - too_big: the reply is full; read it alone"
        try:
            found = self._page(path, Range(), room)
        except AtosError as error:
            return f"{shown}: Error - {error.code}: {error.message[:300]}"
        if not found.note:
            return f"{path}:\n{found.text}\n"
        cursor = found.facts["nextCursor"]
        return f'{path}:\n{found.text}\n[cut: go on with read_text_file and cursor="{cursor}"]\n'

    def info(self, path: str) -> Reply:
        """Return size, times, type and permissions; of a text also hash, line end, encoding, lines."""
        with self._workspace.at(path) as (root, place):
            found = root.stat(place.parts)
            known = _text_facts(root, place) if _is_small_file(found) else {}
        facts = {
            "size": found.st_size,
            "created": moment(getattr(found, "st_birthtime", found.st_ctime)),
            "modified": moment(found.st_mtime),
            "accessed": moment(found.st_atime),
            "isDirectory": str(stat.S_ISDIR(found.st_mode)).lower(),
            "isFile": str(stat.S_ISREG(found.st_mode)).lower(),
            "permissions": f"{stat.S_IMODE(found.st_mode):o}"[-3:],
            **known,
        }
        return Reply("\n".join(f"{name}: {value}" for name, value in facts.items()), known)

    def allowed(self) -> Reply:
        """Return the directories of this connection."""
        read_only = self._workspace.confinement.read_only
        marked = {
            root for root in self._workspace.roots if any(map(root.is_relative_to, read_only))
        }
        rows = [f"{root}{' (read-only)' * (root in marked)}" for root in self._workspace.roots]
        return Reply("\n".join(["Allowed directories:", *rows]))


def _text_facts(root: ConfinedRoot, place: RootedPath) -> dict[str, Any]:
    try:
        with root.file(place.parts) as handle:
            return text_file(handle, place.shown).facts
    except NotTextError:
        return {}


def _check(wanted: Range) -> None:
    given = [name for name, value in wanted._asdict().items() if value]
    if len(given) > 1 and set(given) != {"head", "start_line"}:
        message = f"{' and '.join(given)} can't be given together"
        step = "Give one of them; head and start_line go together: so many lines from there."
        raise BadRequestError(message, next_step=step)


def _start(handle: int, file: TextFile, wanted: Range, shown: str) -> TextPlace:
    if wanted.cursor:
        return text_place(wanted.cursor)
    if wanted.tail:
        return tail_place(handle, file, wanted.tail)
    first = wanted.start_line or 1
    return line_place(file, first, first + wanted.head - 1 if wanted.head else 0, shown)


def _reply(found: TextPage, file: TextFile, wanted: Range) -> Reply:
    text = found.text.removeprefix("\ufeff") if not found.start.offset else found.text
    facts = {**file.facts, "size": file.size}
    if found.next is None:
        return Reply(text.removesuffix("\n") if wanted.tail else text, facts)
    facts["nextCursor"] = found.next.cursor
    lines = f"line {found.start.line}" if found.start.line else f"byte {found.start.offset}"
    total = file.facts.get("totalLines")
    of = f"{total} lines, {file.size} bytes" if total is not None else f"{file.size} bytes"
    shown = f"shown from {lines} to byte {found.next.offset} of {of}"
    return Reply(text, facts, rest(shown, found.next.cursor))


def _is_small_file(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES and found.st_nlink == 1


def moment(seconds: float) -> str:
    """Return a time of a file, in seconds since 1970, as a date; as seconds where that is none."""
    if not FIRST_MOMENT <= seconds <= LAST_MOMENT:  # file systems keep times that no calendar has
        return f"{seconds:.0f} s since 1970"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
