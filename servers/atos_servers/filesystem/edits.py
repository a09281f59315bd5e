r"""Replacing text in a file's bytes, so that line ends, encoding and byte-order mark survive. Pure.

Each edit must match exactly once. No match, or several, is an error that shows where to look; blanks at
the ends of lines are overlooked where only that makes one place fit, and the reply says so. An edit written with `\n` matches a file with `\r\n`, and its new text gets the file's line ends.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.errors import NoMatchError, NotTextError, NotUniqueError
from atos_servers.filesystem.replacements import Span, diff_lines, with_replacement
from atos_servers.filesystem.tolerant_match import SEARCHED, moved, tolerant_matches

NEAREST = 3
BACKTICKS = re.compile("`+")
LINES_SHOWN = 10
LINES_COMPARED = 4_000
LINES_SCORED = 12
LEAST_SIMILAR = 0.4
LINE_LENGTH = 120
SEARCHED_FOR_NEAR = 1 << 20
"""Bytes at the beginning in which lines like a missing one are looked for."""
FEWEST_EDITS, MOST_EDITS = 20, 500
SEARCHED_BYTES = 128 << 20
"""Edits times bytes of the file that one call may search."""
PROBE = 8_192
"""Bytes at the beginning in which a NUL means that a file is not text."""


class Edit(NamedTuple):
    """One replacement."""

    old: str
    new: str


class Edited(NamedTuple):
    """The content after some edits, and where it differs from the one before them."""

    data: bytes
    spans: list[Span]
    notes: tuple[str, ...] = ()
    """What was tolerated."""


def decode(data: bytes, path: str) -> tuple[str, str]:
    """Return a file's text and its encoding: UTF-8 where that fits, else Latin-1.

    Raises:
        NotTextError: there is a NUL at the beginning.
    """
    if b"\0" in data[:PROBE]:
        message = f"{path} is not a text file"
        raise NotTextError(message, next_step="Use read_media_file, or get_file_info.")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def apply(data: bytes, edits: Sequence[Edit], path: str) -> Edited:
    """Return the content after all edits, each applied to what the ones before it made.

    Raises:
        BadRequestError: there are more edits than such a file may have at once.
        NoMatchError: an old text does not occur; the message shows the nearest lines.
        NotUniqueError: it occurs more than once; the message names the lines.
        NotTextError: the file is not text, or a new text does not fit its encoding.
    """
    most = max(FEWEST_EDITS, min(MOST_EDITS, SEARCHED_BYTES // max(len(data), 1)))
    if len(edits) > most:
        message = f"{len(edits)} edits of {path} are more than the {most} that are made at once"
        step = "Make them in several calls, or write the whole file with write_file."
        raise BadRequestError(message, next_step=step)
    _text, encoding = decode(data, path)
    windows = _has_windows_line_ends(data)
    edited = Edited(data, [])
    for number, edit in enumerate(edits, 1):
        new = with_crlf(edit.new) if windows else edit.new
        edited = _apply_one(edited, Edit(edit.old, new), encoding, f"edit {number} of {path}")
    return edited


def _apply_one(edited: Edited, edit: Edit, encoding: str, what: str) -> Edited:
    if not edit.old:
        message = f"{what}: oldText is empty"
        step = "Copy the text to be replaced from the file; to write a whole file use write_file."
        raise BadRequestError(message, next_step=step)
    data = edited.data
    for old in dict.fromkeys((edit.old, with_crlf(edit.old))):
        needle = _encode(old, encoding, what)
        if (at := data.find(needle)) >= 0:
            break
    else:
        return _tolerant(edited, edit, encoding, what)
    if data.find(needle, at + 1) >= 0:
        raise _not_unique(data, needle, what)
    return _replaced(edited, at, at + len(needle), _encode(edit.new, encoding, what))


def _replaced(edited: Edited, at: int, end: int, new: bytes, *notes: str) -> Edited:
    data = edited.data
    spans = with_replacement(edited.spans, at, end, len(new))
    return Edited(data[:at] + new + data[end:], spans, (*edited.notes, *notes))


def _tolerant(edited: Edited, edit: Edit, encoding: str, what: str) -> Edited:
    """Make an edit whose old text fits but for blanks at the ends of its lines."""
    data = edited.data
    text = data.decode(encoding) if len(data) <= 4 * SEARCHED else ""
    old = edit.old.replace("\r\n", "\n")
    matches = tolerant_matches(text, old)
    if not matches:
        raise _no_match(data, encoding, edit.old, what)
    if len(matches) > 1:
        lines = " and ".join(str(match.line) for match in matches)
        message = (
            f"{what}: oldText does not occur as it is; without its blanks it fits lines {lines}"
        )
        step = "Copy it exactly from read_text_file, with its indentation."
        raise NotUniqueError(message, next_step=step)
    (match,) = matches
    start = len(text[: match.start].encode(encoding))
    end = start + len(text[match.start : match.end].encode(encoding))
    new = _encode(moved(edit.new, old, match.indent), encoding, what)
    note = f"{what}: matched line {match.line} on without regard to blanks at the ends of lines"
    return _replaced(edited, start, end, new, note)


def _encode(text: str, encoding: str, what: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        message = f"{what}: {text[error.start]!r} does not fit a file in {encoding}"
        step = "Leave that character out, or rewrite the whole file in UTF-8 with write_file."
        raise NotTextError(message, next_step=step) from error


def with_crlf(text: str) -> str:
    r"""Return a text with `\r\n` at every line end."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _has_windows_line_ends(data: bytes) -> bool:
    """Return whether a file has such line ends and no others."""
    windows = data.count(b"\r\n")
    return bool(windows) and windows == data.count(b"\n")


def _not_unique(data: bytes, needle: bytes, what: str) -> NotUniqueError:
    places: list[int] = []
    at = data.find(needle)
    while at >= 0 and len(places) <= LINES_SHOWN:
        places.append(at)
        at = data.find(needle, at + 1)  # they may overlap
    count = max(len(places), data.count(needle))
    lines = [data.count(b"\n", 0, place) + 1 for place in places[:LINES_SHOWN]]
    shown = ", ".join(map(str, lines)) + (", ..." if len(places) > LINES_SHOWN else "")
    message = f"{what}: oldText occurs {count} times, at lines {shown}"
    step = "Include more of the surrounding lines in oldText, so that it matches once."
    return NotUniqueError(message, next_step=step)


def _no_match(data: bytes, encoding: str, old: str, what: str) -> NoMatchError:
    wanted = next((line for line in old[:PROBE].split("\n") if line.strip()), old[:PROBE]).strip()
    near = nearest_lines(data[:SEARCHED_FOR_NEAR].decode(encoding, "replace"), wanted)
    shown = "; ".join(f"line {number}: {line!r}" for number, line in near)
    message = f"{what}: oldText does not occur. " + (
        f"The nearest lines are {shown}" if near else "No line is similar"
    )
    step = "Copy oldText exactly from read_text_file, with its indentation."
    return NoMatchError(message, next_step=step)


def nearest_lines(text: str, wanted: str) -> list[tuple[int, str]]:
    """Return the lines that look most like `wanted`, with their numbers, best first.

    Comparing two lines costs up to the square of their length, so those that have the most
    characters in common are chosen first.
    """
    lines = [line.strip()[:LINE_LENGTH] for line in text.split("\n", LINES_COMPARED)]
    letters = Counter(wanted[:LINE_LENGTH])
    common = [
        (2 * (Counter(line) & letters).total() / (len(line) + letters.total() or 1), -number)
        for number, line in enumerate(lines[:LINES_COMPARED], 1)
    ]
    matcher = difflib.SequenceMatcher(b=wanted[:LINE_LENGTH], autojunk=False)
    scored: list[tuple[float, int, str]] = []
    for most, number in heapq.nlargest(LINES_SCORED, common):
        if most > LEAST_SIMILAR:
            matcher.set_seq1(lines[-number - 1])
            scored.append((matcher.ratio(), number, lines[-number - 1]))
    best = sorted(scored, reverse=True)[:NEAREST]
    return [(-number, line) for score, number, line in best if score > LEAST_SIMILAR]


def unified_diff(before: bytes, edited: Edited, path: str) -> str:
    """Return the change as `git diff` shows it, in a fence longer than any in the text."""
    _text, encoding = decode(before, path)
    hunks = b"\n".join(diff_lines(before, edited.data, edited.spans))
    name = path.lstrip("/")
    body = f"--- a/{name}\n+++ b/{name}\n{hunks.decode(encoding, 'replace')}" if hunks else ""
    fence = "`" * max(3, 1 + max(map(len, BACKTICKS.findall(body)), default=0))
    return f"{fence}diff\n{body}\n{fence}\n"
