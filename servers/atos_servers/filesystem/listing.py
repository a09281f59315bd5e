"""The operations that list: one folder, a tree, and what matches a pattern; all of them page by page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from atos_servers.filesystem.directory_entries import Entry, Listing
from atos_servers.filesystem.globs import globs
from atos_servers.filesystem.pages import Reply, bad_cursor, path_cursor, path_of, rest
from atos_servers.filesystem.paths import Parts
from atos_servers.filesystem.tree_walk import search, tree
from atos_servers.filesystem.workspace import Workspace

UNITS = ("B", "KB", "MB", "GB", "TB")
ENTRIES = 2_000
"""Most entries of a folder on one page for a model; what fits the reply is fewer, where names are long."""
PROGRAM_ENTRIES = 100_000
Size = Literal["name", "size"]


class Lists:
    """The listing operations of one connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def directory(self, path: str, cursor: str = "") -> Reply:
        """Return the names in a folder, each marked as file or folder."""
        listing = self._listing(path, cursor)
        rows = [f"{_mark(e)} {e.name}" for e in listing.entries]
        count = self._fitting(rows)
        left = listing.more or count < len(rows)
        return self._page(rows[:count], listing.entries[count - 1] if left and count else None)

    def with_sizes(self, path: str, sort_by: Size = "name", cursor: str = "") -> Reply:
        """Return the names in a folder with sizes and totals."""
        with self._workspace.at(path) as (root, place):
            entries = root.list(place.parts).entries
        first = _number(cursor)
        ordered = sorted(entries, key=lambda e: -e.size) if sort_by == "size" else entries
        most = ENTRIES if self._workspace.room.escaped else PROGRAM_ENTRIES
        rows = [_sized(e) for e in ordered[first : first + most]]
        count = self._fitting(rows)
        folders = sum(e.is_dir for e in entries)
        totals = [
            "",
            f"Total: {len(entries) - folders} files, {folders} directories",
            f"Combined size: {human(sum(e.size for e in entries))}",
        ]
        text = "\n".join([*rows[:count], *totals])
        behind = first + count
        if behind >= len(entries):
            return Reply(text)
        shown = f"shown {first + 1} to {behind} of {len(entries)} entries"
        return Reply(text, {"nextCursor": str(behind)}, rest(shown, str(behind)))

    def tree(self, path: str, excluded: Sequence[str] = (), cursor: str = "") -> Reply:
        """Return the tree below a folder as JSON."""
        patterns, room = globs(excluded), self._workspace.room
        with self._workspace.at(path) as (root, place):
            found = tree(root, place.parts, patterns, room, path_of(cursor))
        text = json.dumps(found.nodes, indent=2, ensure_ascii=False)
        if room.cost(text) > room.bytes:
            text = json.dumps(found.nodes, separators=(",", ":"), ensure_ascii=False)
        return _walked(text, found.after)

    def search(
        self,
        path: str,
        pattern: str,
        excluded: Sequence[str] = (),
        cursor: str = "",
        *,
        relative_files: bool = False,
    ) -> Reply:
        """Return the paths below a folder that match a pattern.

        Args:
            path: the folder.
            pattern: a glob over paths below it.
            excluded: globs to leave out.
            cursor: where the last page ended.
            relative_files: only files, as paths relative to the folder.
        """
        wanted, *left_out = globs([pattern, *excluded])
        room, after = self._workspace.room, path_of(cursor)
        with self._workspace.at(path) as (root, place):
            base = "" if relative_files else root.shown(place.parts) + "/"
            prefix = len(base.encode(errors="replace"))
            found = search(
                root, place.parts, wanted, left_out, room, after,
                files_only=relative_files, prefix=prefix,
            )  # fmt: skip
        nothing = "No matches found" if found.after is None and not cursor else ""
        text = "\n".join(base + "/".join(here) for here in found.paths) or nothing
        return _walked(text, found.after)

    def _listing(self, path: str, cursor: str) -> Listing:
        after = path_of(cursor)
        most = ENTRIES if self._workspace.room.escaped else PROGRAM_ENTRIES
        with self._workspace.at(path) as (root, place):
            return root.list(place.parts, after=after[0] if after else "", most=most, sizes=False)

    def _fitting(self, rows: Sequence[str]) -> int:
        """Return how many rows one reply carries; at least one."""
        room = self._workspace.room
        left = room.bytes - 500  # totals
        for number, row in enumerate(rows):
            left -= room.cost(row) + 2
            if left < 0:
                return max(number, 1)
        return len(rows)

    @staticmethod
    def _page(rows: Sequence[str], last: Entry | None) -> Reply:
        text = "\n".join(rows)
        if last is None:
            return Reply(text)
        cursor = path_cursor((last.name,))
        shown = f"{len(rows)} entries, up to {last.name}"
        return Reply(text, {"nextCursor": cursor}, rest(shown, cursor))


def _walked(text: str, after: Parts | None) -> Reply:
    if after is None:
        return Reply(text)
    cursor = path_cursor(after)
    return Reply(text, {"nextCursor": cursor}, rest(f"cut behind {'/'.join(after)[:200]}", cursor))


def _number(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 12):
        raise bad_cursor(cursor)
    return int(cursor or 0)


def _mark(entry: Entry) -> str:
    return "[DIR]" if entry.is_dir else "[FILE]"


def _sized(entry: Entry) -> str:
    size = "" if entry.is_dir else human(entry.size)
    return f"{_mark(entry)} {entry.name:<30} {size:>10}".rstrip()


def human(size: float) -> str:
    """Return a size in the largest unit that leaves at least 1 of it."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.2f} {UNITS[unit]}" if unit else f"{size:.0f} B"
