"""Searches contents in a process of its own, so that no pattern can hold up the host.

    one JSON object on stdin -> walk below the confined root -> one JSON object a file on stdout

Whoever started it kills it at a deadline and keeps the lines that have come by then. The walk and every
opened file go through the same confined root as everything else.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from atos_protocol.errors import AtosError
from atos_servers.filesystem import file_io
from atos_servers.filesystem.globs import Glob, globs
from atos_servers.filesystem.pages import path_cursor, path_of
from atos_servers.filesystem.paths import Parts
from atos_servers.filesystem.root import ConfinedRoot
from atos_servers.filesystem.tree_walk import walk

MAX_FILE_BYTES = 8 << 20
LINE_LENGTH = 300
"""Characters of a line that are shown."""
PROBE = 8_192
CPU_SECONDS = 20
MEMORY_BYTES = 1 << 30
PROGRESS_SECONDS = 0.2
"""Between two lines that only say how far the search is."""

Searches = Callable[[str], object]


class Request(NamedTuple):
    """What to search for, and where."""

    root: str
    start: Parts
    pattern: str
    glob: str
    excluded: list[str]
    ignore_case: bool
    literal: bool
    context: int
    most: int
    """Characters of matches, after which the search stops."""
    cursor: str


def main() -> None:
    """Serve the one request on stdin."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    fields: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    start: Parts = tuple(fields.pop("start"))
    request = Request(start=start, **fields)
    for answer in _answers(request):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answers(request: Request) -> Iterator[dict[str, Any]]:
    try:
        find = _finder(request)
        with ConfinedRoot(Path(request.root), lambda _parts: None) as root:
            yield from _search(root, request, find)
    except AtosError as error:
        yield {"error": error.to_wire()}
    except (re.error, OverflowError, RecursionError) as error:
        yield {"bad_pattern": str(error)[:300]}


def _finder(request: Request) -> Searches:
    if request.literal and not request.ignore_case:
        return lambda line: request.pattern in line
    text = re.escape(request.pattern) if request.literal else request.pattern
    return re.compile(text, re.IGNORECASE if request.ignore_case else 0).search


def _search(root: ConfinedRoot, request: Request, find: Searches) -> Iterator[dict[str, Any]]:
    path, _, line = request.cursor.partition("#")
    behind, left, skipped = path_of(path), request.most, 0
    told = time.monotonic()
    begun = [(behind, int(line))] if line.isdigit() else []
    for here, first in chain(begun, ((here, 0) for here in _files(root, request, behind))):
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            yield {"reached": path_cursor(behind) if not first else request.cursor}
        behind = here
        try:
            text = _text(root, (*request.start, *here))
        except AtosError as error:
            skipped += error.code == "too_big"
            continue
        if text is None:
            continue
        rows, following = _matches(text, find, request, first, left)
        if rows:
            left -= sum(map(len, rows)) + len(rows) * (len("/".join(here)) + 1)
            file = "/".join(here).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            mark = f"#{following}" if following else ""
            yield {"file": file, "rows": rows, "cursor": path_cursor(here) + mark}
        if left <= 0 or following:
            return
    yield {"done": True, "skipped": skipped}


def _files(root: ConfinedRoot, request: Request, after: Parts) -> Iterator[Parts]:
    """Yield the files that are to be searched; links are none."""
    (wanted,) = globs([request.glob]) if request.glob else (None,)
    for here, entry, left_out in walk(root, request.start, globs(request.excluded), after):
        if not (left_out or entry.is_dir or entry.is_link) and _is_wanted(here, wanted):
            yield here


def _is_wanted(here: Parts, wanted: Glob | None) -> bool:
    if wanted is None:
        return True
    return wanted.matches(here) or ("/" not in wanted.pattern and wanted.matches(here[-1:]))


def _text(root: ConfinedRoot, parts: Parts) -> str | None:
    """Return the text of a file; None for one that is none."""
    with root.file(parts) as handle:
        if os.fstat(handle).st_size > MAX_FILE_BYTES:
            root.read(parts, MAX_FILE_BYTES)  # raises
        data = file_io.read_all(handle, MAX_FILE_BYTES)
    if b"\0" in data[:PROBE]:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _matches(
    text: str, find: Searches, request: Request, first: int, most: int
) -> tuple[list[str], int]:
    """Return the lines that match, with those around them, as `12: text` and `13- text`.

    They begin at line `first`, from 0; with them comes the line at which the next page begins, or 0.
    """
    if request.literal and not request.ignore_case and request.pattern not in text:
        return [], 0
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()
    rows: list[str] = []
    shown_to, left = first, most
    for number in range(first, len(lines)):
        if number < shown_to or not find(lines[number]):
            continue
        if left < 0:
            return rows, number
        begin = max(shown_to, number - request.context)
        if rows and begin > shown_to and request.context:
            rows.append("--")
        shown_to = min(len(lines), number + request.context + 1)
        for at in range(begin, shown_to):
            mark = ":" if at == number or (at > number and find(lines[at])) else "-"
            rows.append(f"{at + 1}{mark} {lines[at][:LINE_LENGTH]}")
            left -= len(rows[-1])
    return rows, 0


if __name__ == "__main__":
    main()
