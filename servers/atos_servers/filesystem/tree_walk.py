"""Walks a tree of folders by path, from any point on: nested entries, or what matches a pattern.

Links are listed, never followed. A walk stops when its reply is full or after some time of work, and
says behind which path the next one begins: how long a pattern takes is up to whoever wrote it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from atos_protocol.errors import AtosError
from atos_servers.filesystem.directory_entries import Entry
from atos_servers.filesystem.globs import Glob
from atos_servers.filesystem.pages import Room
from atos_servers.filesystem.paths import MAX_DEPTH, Parts
from atos_servers.filesystem.root import ConfinedRoot

WORK_SECONDS = 2.0
"""Processor time of one call."""
LOOK_EVERY = 32
"""Entries of a search between two looks at the clock."""
NODE_COST = 60
"""JSON bytes of an entry of a tree, without its name."""

Node = dict[str, Any]


class Step(NamedTuple):
    """One entry of a walk."""

    here: Parts
    """Relative to where the walk began."""
    entry: Entry
    left_out: bool = False
    """Whether it is excluded: such a step only tells how far the walk is."""


class Found(NamedTuple):
    """The paths that a search found, relative to its start."""

    paths: list[Parts]
    after: Parts | None
    """Behind which path the search was stopped; None: it is complete."""


class Tree(NamedTuple):
    """Some entries of a tree, nested."""

    nodes: list[Node]
    after: Parts | None


def walk(
    root: ConfinedRoot, start: Parts, excluded: Sequence[Glob] = (), after: Parts = ()
) -> Iterator[Step]:
    """Yield what is below a folder, each folder before what is in it, names in order.

    Args:
        root: where.
        start: the folder.
        excluded: what is left out, and all below it.
        after: begin behind this path.

    Raises:
        AtosError: the folder itself can't be listed; others are passed over.
    """
    open_folders = [_entries(root, start, (), excluded, after)]
    while open_folders:
        step = next(open_folders[-1], None)
        if step is None:
            open_folders.pop()
            continue
        if not after or step.here > after:
            yield step
        if step.entry.is_dir and not step.left_out and len(step.here) < MAX_DEPTH:
            open_folders.append(_entries(root, start, step.here, excluded, after))


def _entries(
    root: ConfinedRoot, start: Parts, below: Parts, excluded: Sequence[Glob], after: Parts
) -> Iterator[Step]:
    first = after[len(below)] if below == after[: len(below)] and len(after) > len(below) else ""
    try:
        entries = root.list((*start, *below), sizes=False).entries
    except AtosError:
        if not below:
            raise
        return  # unreadable or removed
    for entry in entries:
        if entry.name >= first:
            here = (*below, entry.name)
            yield Step(here, entry, bool(excluded) and _excluded(here, excluded))


def tree(
    root: ConfinedRoot,
    start: Parts,
    excluded: Sequence[Glob],
    room: Room,
    after: Parts = (),
    *,
    seconds: float = WORK_SECONDS,
) -> Tree:
    """Return the entries below a folder, nested; those behind `after`, with the folders above them."""
    nodes: list[Node] = []
    folders: dict[Parts, list[Node]] = {(): nodes}
    deadline, left, last = time.thread_time() + seconds, room.bytes, after
    for step in walk(root, start, excluded, after):
        here = step.here
        left -= 0 if step.left_out else NODE_COST + _name_cost(here[-1])
        if last != after and (left < 0 or time.thread_time() > deadline):
            return Tree(nodes, last)
        if step.left_out:
            last = here
            continue
        for depth in range(1, len(here)):
            left -= _add_folder(folders, here[:depth])
        if step.entry.is_dir:
            _add_folder(folders, here)
        else:
            folders[here[:-1]].append({"name": here[-1], "type": "file"})
        last = here
    return Tree(nodes, None)


def _add_folder(folders: dict[Parts, list[Node]], here: Parts) -> int:
    """Add a folder that is not there yet; return what it costs."""
    if here in folders:
        return 0
    folders[here] = []
    folders[here[:-1]].append({"name": here[-1], "type": "directory", "children": folders[here]})
    return NODE_COST + _name_cost(here[-1])


def _name_cost(name: str) -> int:
    return 2 * len(json.dumps(name, ensure_ascii=False).encode(errors="replace"))


def search(
    root: ConfinedRoot,
    start: Parts,
    pattern: Glob,
    excluded: Sequence[Glob],
    room: Room,
    after: Parts = (),
    *,
    files_only: bool = False,
    prefix: int = 0,
    seconds: float = WORK_SECONDS,
) -> Found:
    """Return the paths below a folder that match a pattern.

    Args:
        root: where.
        start: the folder.
        pattern: what a path must match.
        excluded: what is left out, and all below it.
        room: what the paths may take.
        after: begin behind this path.
        files_only: no folders.
        prefix: bytes that stand before each path where it is shown.
        seconds: processor time after which the search stops.
    """
    found: list[Parts] = []
    deadline, left, last = time.thread_time() + seconds, room.bytes, after
    for number, (here, entry, left_out) in enumerate(walk(root, start, excluded, after)):
        if number % LOOK_EVERY == 1 and time.thread_time() > deadline:
            return Found(found, last)
        shown = not left_out and not (files_only and entry.is_dir)
        if shown and pattern.matches(here):
            left -= room.cost("/".join(here)) + prefix + 2
            if left < 0 and found:
                return Found(found, last)
            found.append(here)
        last = here
    return Found(found, None)


def _excluded(here: Parts, patterns: Sequence[Glob]) -> bool:
    """Return whether a path matches a pattern; a plain name excludes it at any depth."""
    return any(p.matches(here) or (p.is_plain and p.matches(here[-1:])) for p in patterns)
