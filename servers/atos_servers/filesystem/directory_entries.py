"""What is in a folder: its entries by name, all of them or a page, read from an open directory."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from atos_servers.filesystem.file_io import TEMPORARY

SORTED_AT_ONCE = 5_000
"""Names that are sorted in one go."""
NAME = attrgetter("name")


class Entry(NamedTuple):
    """One name in a folder."""

    name: str
    is_dir: bool
    size: int
    """Bytes; 0 for everything but files."""
    is_link: bool = False


class Listing(NamedTuple):
    """The entries of a folder, and whether there are more than were listed."""

    entries: list[Entry]
    more: bool


def listing(scan: Iterator[os.DirEntry[str]], after: str, most: int, *, sizes: bool) -> Listing:
    """Return the entries by name.

    Never more than some thousand names are sorted at once: that would hold up the whole process.
    """
    behind = (e for e in scan if e.name > after and not is_temporary(e.name))
    if most:
        chosen = heapq.nsmallest(most + 1, behind, key=NAME)
        return Listing(
            [_entry(entry, sizes=sizes) for entry in chosen[:most]], more=len(chosen) > most
        )
    runs: list[list[os.DirEntry[str]]] = []
    while run := list(islice(behind, SORTED_AT_ONCE)):
        runs.append(sorted(run, key=NAME))
    return Listing(
        [_entry(entry, sizes=sizes) for entry in heapq.merge(*runs, key=NAME)], more=False
    )


def _entry(entry: os.DirEntry[str], *, sizes: bool) -> Entry:
    is_dir = entry.is_dir(follow_symlinks=False)
    size = 0
    if sizes and entry.is_file(follow_symlinks=False):
        with suppress(OSError):  # removed concurrently
            size = entry.stat(follow_symlinks=False).st_size
    return Entry(entry.name, is_dir, size, entry.is_symlink())


def is_temporary(name: str) -> bool:
    """Return whether a file is one that a writer is about to rename."""
    return name.startswith(".atos-") and TEMPORARY.fullmatch(name) is not None
