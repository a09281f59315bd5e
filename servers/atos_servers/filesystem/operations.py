"""The file operations behind the tools, with the reference server's replies.

Everything here blocks; the server calls it in a thread.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import stat
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from atos_protocol.errors import AtosError, BadRequestError
from atos_servers.filesystem import file_io
from atos_servers.filesystem.edits import Edit, apply, decode, unified_diff
from atos_servers.filesystem.errors import ProtectedError
from atos_servers.filesystem.globs import globs
from atos_servers.filesystem.paths import Parts, RootedPath, locate
from atos_servers.filesystem.protection import protected_by
from atos_servers.filesystem.root import MAX_BYTES, ConfinedRoot, Entry, Listing, pinned
from atos_servers.filesystem.tree_walk import TreeWalk, search
from atos_servers.host.confinement import Confinement

MAX_FILES = 100
"""Most files that one call of read_multiple_files reads."""
UNITS = ("B", "KB", "MB", "GB", "TB")
Size = Literal["name", "size"]


class Media(NamedTuple):
    """A file as base64, with its type."""

    data: str
    mime: str


class Files:
    """The file operations of one connection."""

    def __init__(self, confinement: Confinement, grants: Callable[[], list[str]]) -> None:
        self._confinement = confinement
        self._roots = confinement.directories
        self._home = confinement.person
        self._grants = grants

    def read_text(self, path: str, head: int | None = None, tail: int | None = None) -> str:
        """Return a text file, or its first or last lines."""
        if head is not None and tail is not None:
            message = "head and tail can't be given together"
            raise BadRequestError(message, next_step="Give one of them.")
        with self._at(path) as (root, place):
            if head is None and tail is None:
                return _readable(root.read(place.parts), place)
            with root.file(place.parts) as handle:
                take = file_io.head if tail is None else file_io.tail
                found = take(handle, _count(head if tail is None else tail), MAX_BYTES)
            text = _readable(found.data, place)
            return text + f"\n[cut after {MAX_BYTES} bytes]" if found.cut else text

    def read_media(self, path: str) -> Media:
        """Return any file as base64."""
        with self._at(path) as (root, place):
            data = root.read(place.parts)
        mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return Media(base64.b64encode(data).decode("ascii"), mime)

    def read_many(self, paths: Sequence[str]) -> str:
        """Return several text files; one that can't be read does not stop the others."""
        if not 0 < len(paths) <= MAX_FILES:
            message = f"{len(paths)} paths were given; 1 to {MAX_FILES} can be read at once"
            raise BadRequestError(message, next_step="Name fewer files.")
        left, parts = MAX_BYTES, list[str]()
        for path in paths:
            try:
                text = self.read_text(path)
            except AtosError as error:
                parts.append(f"{path}: Error - {error.code}: {error.message}")
                continue
            if len(text) > left:
                parts.append(f"{path}: Error - too_big: read it alone")
                continue
            left -= len(text)
            parts.append(f"{path}:\n{text}\n")
        return "\n---\n".join(parts)

    def write(self, path: str, content: str) -> str:
        """Create or replace a file."""
        with self._at(path) as (root, place):
            root.write(place.parts, _bytes(content))
        return f"Successfully wrote to {path}"

    def edit(self, path: str, edits: Sequence[Edit], *, dry_run: bool = False) -> str:
        """Replace texts that occur exactly once; return the change as a diff."""
        with self._at(path) as (root, place):
            before = root.read(place.parts)
            edited = apply(before, edits, path)
            answer = unified_diff(before, edited, path)  # certain before anything is written
            if not dry_run and edited.data != before:
                root.write(place.parts, edited.data, expected=before)
        return answer

    def make_directory(self, path: str) -> str:
        """Create a folder and its parents."""
        with self._at(path) as (root, place):
            root.make_directory(place.parts)
        return f"Successfully created directory {path}"

    def list_directory(self, path: str) -> str:
        """Return the names in a folder, each marked as file or folder."""
        listing = self._listing(path)
        return "\n".join([*(f"{_mark(e)} {e.name}" for e in listing.entries), *_more(listing)])

    def list_with_sizes(self, path: str, sort_by: Size = "name") -> str:
        """Return the names in a folder with sizes and totals."""
        listing = self._listing(path)
        entries = listing.entries
        if sort_by == "size":
            entries = sorted(entries, key=lambda e: e.size, reverse=True)
        rows = [
            f"{_mark(e)} {e.name:<30} {'' if e.is_dir else human(e.size):>10}".rstrip()
            for e in entries
        ]
        folders = sum(e.is_dir for e in entries)
        totals = [
            "",
            f"Total: {len(entries) - folders} files, {folders} directories",
            f"Combined size: {human(sum(e.size for e in entries))}",
        ]
        return "\n".join([*rows, *_more(listing), *totals])

    def tree(self, path: str, excluded: Sequence[str] = ()) -> str:
        """Return the tree below a folder as JSON."""
        with self._at(path) as (root, place):
            nodes = TreeWalk(root, globs(excluded)).nodes(place.parts)
        return json.dumps(nodes, indent=2, ensure_ascii=False)

    def search(self, path: str, pattern: str, excluded: Sequence[str] = ()) -> str:
        """Return the paths below a folder that match a pattern."""
        wanted, *left_out = globs([pattern, *excluded])
        with self._at(path) as (root, place):
            found = search(root, place.parts, wanted, left_out)
        shown = [str(root.path.joinpath(*place.parts, *here)) for here in found.paths]
        if found.cut:
            shown.append("[cut: use a narrower pattern or a subfolder]")
        return "\n".join(shown) or "No matches found"

    def info(self, path: str) -> str:
        """Return size, times, type and permissions."""
        with self._at(path) as (root, place):
            found = root.stat(place.parts)
        facts = {
            "size": found.st_size,
            "created": _moment(found.st_ctime),
            "modified": _moment(found.st_mtime),
            "accessed": _moment(found.st_atime),
            "isDirectory": str(stat.S_ISDIR(found.st_mode)).lower(),
            "isFile": str(stat.S_ISREG(found.st_mode)).lower(),
            "permissions": f"{stat.S_IMODE(found.st_mode):o}"[-3:],
        }
        return "\n".join(f"{name}: {value}" for name, value in facts.items())

    def move(self, source: str, destination: str) -> str:
        """Move or rename; never replaces."""
        with self._at(source) as (root, place), self._at(destination) as (target, new):
            root.move(place.parts, target, new.parts)
        return f"Successfully moved {source} to {destination}"

    def allowed(self) -> str:
        """Return the directories of this connection."""
        return "\n".join(["Allowed directories:", *map(str, self._roots)])

    def _listing(self, path: str) -> Listing:
        with self._at(path) as (root, place):
            return root.list(place.parts)

    @contextmanager
    def _at(self, path: str) -> Generator[tuple[ConfinedRoot, RootedPath]]:
        """Open the root that a path lies in."""
        place = locate(path, self._names(), self._home)
        with ConfinedRoot(place.root, partial(self._guard, place.root)) as root:
            yield root, place

    def _names(self) -> dict[Path, Path]:
        """Return every name of a root -> the root: a client may know it by its real path."""
        names = {root: root for root in self._roots}
        for root in self._roots:
            with suppress(OSError):  # missing: opening it raises the error
                names.setdefault(Path(pinned(root)), root)
        return names

    def _guard(self, root: Path, parts: Parts) -> None:
        place = Path(pinned(root)).joinpath(*parts)
        if not self._confinement.may_write(place):
            message = f"{place} belongs to ATOS itself"
            raise ProtectedError(message, next_step="Ask the user to change it.")
        if pattern := protected_by(parts):
            grants = self._grants()
            if not protected_by(parts, grants):
                return
            message = (
                f"{'/'.join(parts)} is protected ({pattern}): it may be run outside the sandbox"
            )
            step = "Ask the user to write it, or to allow it by a line in ~/.atos/grants."
            raise ProtectedError(message, next_step=step)


def _readable(data: bytes, place: RootedPath) -> str:
    text, _encoding = decode(data, place.shown)
    return text.removeprefix("\ufeff")


def _bytes(content: str) -> bytes:
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError as error:
        message = f"the content is not valid Unicode at character {error.start}"
        raise BadRequestError(message, next_step="Leave the broken characters out.") from error


def _count(wanted: int | None) -> int:
    if not wanted or wanted < 1:
        message = f"{wanted} lines were requested"
        raise BadRequestError(message, next_step="Request at least 1 line.")
    return wanted


def _mark(entry: Entry) -> str:
    return "[DIR]" if entry.is_dir else "[FILE]"


def _more(listing: Listing) -> list[str]:
    count = len(listing.entries)
    return [f"[cut after {count} entries: use search_files]"] if listing.more else []


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def human(size: float) -> str:
    """Return a size in the largest unit that leaves at least 1 of it."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.2f} {UNITS[unit]}" if unit else f"{size:.0f} B"
