"""Walks a tree of folders: as nested entries, or in search of a pattern.

Links are listed, never followed. Both stop at a number of entries, or after some time of work, and
say so: how long a pattern takes is up to whoever wrote it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from atos_protocol.errors import AtosError
from atos_servers.filesystem.globs import Glob
from atos_servers.filesystem.paths import MAX_DEPTH, Parts
from atos_servers.filesystem.root import ConfinedRoot

MAX_TREE = 5_000
MAX_SEARCHED = 100_000
MAX_FOUND = 1_000
WORK_SECONDS = 2.0
"""Processor time of one call."""

Node = dict[str, Any]


class Found(NamedTuple):
    """The paths that a search found, relative to its start, and whether it was cut short."""

    paths: list[Parts]
    cut: bool


class TreeWalk:
    """Builds the tree of one folder, up to a number of entries."""

    def __init__(
        self, root: ConfinedRoot, excluded: Sequence[Glob], *, seconds: float = WORK_SECONDS
    ) -> None:
        self._root = root
        self._excluded = excluded
        self._left = MAX_TREE
        self._deadline = time.thread_time() + seconds

    def nodes(self, start: Parts, below: Parts = ()) -> list[Node]:
        """Return the entries of a folder with those of its folders inside."""
        listing = self._root.list((*start, *below))
        found: list[Node] = []
        for entry in listing.entries:
            if self._left <= 0 or time.thread_time() > self._deadline:
                found.append(_cut_note())
                return found
            here = (*below, entry.name)
            if _excluded(here, self._excluded):
                continue
            self._left -= 1
            found.append(self._node(start, here, is_dir=entry.is_dir))
        if listing.more:
            found.append(_cut_note())
        return found

    def _node(self, start: Parts, here: Parts, *, is_dir: bool) -> Node:
        if not is_dir:
            return {"name": here[-1], "type": "file"}
        children: list[Node] = []
        if len(here) < MAX_DEPTH:
            try:
                children = self.nodes(start, here)
            except AtosError as error:  # unreadable or removed: the rest of the tree is still shown
                children = [{"name": f"[{error.code}]", "type": "note"}]
        return {"name": here[-1], "type": "directory", "children": children}


def search(
    root: ConfinedRoot,
    start: Parts,
    pattern: Glob,
    excluded: Sequence[Glob],
    *,
    seconds: float = WORK_SECONDS,
) -> Found:
    """Return the paths below a folder that match a pattern."""
    found: list[Parts] = []
    deadline = time.thread_time() + seconds
    for looked, (here, left_out) in enumerate(_all_below(root, start, excluded)):
        late = time.thread_time() > deadline
        if late or looked >= MAX_SEARCHED or len(found) >= MAX_FOUND:
            return Found(found, cut=True)
        if not left_out and pattern.matches(here):
            found.append(here)
    return Found(found, cut=False)


def _all_below(
    root: ConfinedRoot, start: Parts, excluded: Sequence[Glob]
) -> Iterator[tuple[Parts, bool]]:
    """Yield every path, and whether it is excluded; nothing below an excluded one is."""
    folders: list[Parts] = [()]
    while folders:
        below = folders.pop()
        try:
            entries = root.list((*start, *below)).entries
        except AtosError:
            if not below:
                raise
            continue  # unreadable or removed
        for entry in entries:
            here = (*below, entry.name)
            left_out = _excluded(here, excluded)
            yield here, left_out
            if entry.is_dir and not left_out and len(here) < MAX_DEPTH:
                folders.append(here)


def _excluded(here: Parts, patterns: Sequence[Glob]) -> bool:
    """Return whether a path matches a pattern; a plain name excludes it at any depth."""
    return any(p.matches(here) or (p.is_plain and p.matches(here[-1:])) for p in patterns)


def _cut_note() -> Node:
    return {"name": "[cut: list a subfolder, or exclude more]", "type": "note"}
