r"""Replacing text in a file's bytes, so that line ends, encoding and byte-order mark survive. Pure.

Each edit must match exactly once. Nothing is guessed: no match, or several, is an error that shows
where to look. An edit written with `\n` matches a file with `\r\n`, and its new text gets the file's line ends.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.errors import NoMatchError, NotTextError, NotUniqueError

NEAREST = 3
LINES_SHOWN = 10
LINES_COMPARED = 4_000
LINE_LENGTH = 300
PROBE = 8_192
"""Bytes at the beginning in which a NUL means that a file is not text."""


class Edit(NamedTuple):
    """One replacement."""

    old: str
    new: str


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


def apply(data: bytes, edits: Sequence[Edit], path: str) -> bytes:
    """Return the content after all edits, each applied to what the ones before it made.

    Raises:
        NoMatchError: an old text does not occur; the message shows the nearest lines.
        NotUniqueError: it occurs more than once; the message names the lines.
        NotTextError: the file is not text, or a new text does not fit its encoding.
    """
    _text, encoding = decode(data, path)
    for number, edit in enumerate(edits, 1):
        data = _apply_one(data, edit, encoding, f"edit {number} of {path}")
    return data


def _apply_one(data: bytes, edit: Edit, encoding: str, what: str) -> bytes:
    if not edit.old:
        message = f"{what}: oldText is empty"
        step = "Copy the text to be replaced from the file; to write a whole file use write_file."
        raise BadRequestError(message, next_step=step)
    for old in dict.fromkeys((edit.old, with_crlf(edit.old))):
        needle = _encode(old, encoding, what)
        if count := data.count(needle):
            break
    else:
        raise _no_match(data.decode(encoding), edit.old, what)
    if count > 1:
        raise _not_unique(data, needle, count, what)
    return data.replace(needle, _encode(_with_line_ends_of(data, edit.new), encoding, what))


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


def _with_line_ends_of(data: bytes, text: str) -> str:
    """Return a text with the file's line ends, if the file has one kind only."""
    windows, all_ends = data.count(b"\r\n"), data.count(b"\n")
    return with_crlf(text) if windows and windows == all_ends else text


def _not_unique(data: bytes, needle: bytes, count: int, what: str) -> NotUniqueError:
    lines: list[int] = []
    at = data.find(needle)
    while at >= 0 and len(lines) < LINES_SHOWN:
        lines.append(data.count(b"\n", 0, at) + 1)
        at = data.find(needle, at + len(needle))
    shown = ", ".join(map(str, lines)) + (", ..." if count > len(lines) else "")
    message = f"{what}: oldText occurs {count} times, at lines {shown}"
    step = "Include more of the surrounding lines in oldText, so that it matches once."
    return NotUniqueError(message, next_step=step)


def _no_match(text: str, old: str, what: str) -> NoMatchError:
    wanted = next((line for line in old.splitlines() if line.strip()), old).strip()
    near = nearest_lines(text, wanted)
    shown = "; ".join(f"line {number}: {line!r}" for number, line in near)
    message = f"{what}: oldText does not occur. " + (
        f"The nearest lines are {shown}" if near else "No line is similar"
    )
    step = "Copy oldText exactly from read_text_file, with its indentation."
    return NoMatchError(message, next_step=step)


def nearest_lines(text: str, wanted: str) -> list[tuple[int, str]]:
    """Return the lines that look most like `wanted`, with their numbers, best first."""
    matcher = difflib.SequenceMatcher(b=wanted[:LINE_LENGTH], autojunk=False)
    scored: list[tuple[float, int, str]] = []
    for number, line in enumerate(text.splitlines()[:LINES_COMPARED], 1):
        short = line.strip()[:LINE_LENGTH]
        matcher.set_seq1(short)
        floor = 0.4 if len(scored) < NEAREST else min(scored)[0]
        if matcher.real_quick_ratio() > floor and matcher.quick_ratio() > floor:
            scored = sorted([*scored, (matcher.ratio(), -number, short)], reverse=True)[:NEAREST]
    return [(-number, line) for score, number, line in scored if score > 0.4]


def unified_diff(before: bytes, after: bytes, path: str) -> str:
    """Return the change as `git diff` shows it, in a fence longer than any in the text."""
    old, encoding = decode(before, path)
    new = after.decode(encoding)
    lines = difflib.unified_diff(
        old.replace("\r\n", "\n").splitlines(),
        new.replace("\r\n", "\n").splitlines(),
        f"a/{path.lstrip('/')}",
        f"b/{path.lstrip('/')}",
        lineterm="",
    )
    body = "\n".join(lines)
    fence = "```"
    while fence in body:
        fence += "`"
    return f"{fence}diff\n{body}\n{fence}\n"
