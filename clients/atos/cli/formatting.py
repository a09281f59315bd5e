"""Values as a person reads them on a terminal: safe text, sizes, durations, labelled lines; all but `columns` pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from atos.cli.terminal import terminal_columns
from atos_protocol.printable import printable

Json = Mapping[str, Any]

MARKS = {
    "pending": "·", "queued": "·", "planning": "▸", "running": "▸", "verifying": "▸",
    "waiting": "?", "paused": "‖", "done": "✓", "success": "✓", "failed": "✗", "skipped": "-",
    "cancelled": "-", "needs_help": "!", "limit_reached": "!",
}  # fmt: skip


def clean(text: object, limit: int = 300) -> str:
    """Return text that is safe to print: one line, nothing hidden, of bounded length."""
    plain = printable(str(text)[: 4 * limit].replace("\n", " ").replace("\t", " "))
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits into so many columns: Chinese, Japanese and Korean letters and emoji take two."""
    if text.isascii():
        return text[:width]
    import unicodedata

    taken = 0
    for at, character in enumerate(text):
        wide = unicodedata.east_asian_width(character) in "WF"
        taken += 0 if unicodedata.combining(character) else 1 + wide
        if taken > width:
            return text[:at]
    return text


def columns(otherwise: int, stream: TextIO | None = None) -> int:
    """Return how wide the terminal is, less one; where nothing is drawn on one, `otherwise`."""
    if not (stream or sys.stdout).isatty():
        return otherwise
    return terminal_columns() - 1


def labelled(label: str, texts: Sequence[str]) -> list[str]:
    """Return lines of which the first has a label, as in the report."""
    return [f"  {label if at == 0 else '':12}{text}" for at, text in enumerate(texts)]


HANG = 14
"""Columns before the text of a report's line; an event's text begins one before."""


def hung(lines: Iterable[str], width: int, indent: int = HANG) -> list[str]:
    """Return lines of `width` columns at most: what is longer goes on below its text; a word, such as a path, stays whole."""
    import textwrap

    return [
        part
        for line in lines
        for text in line.split("\n")
        for part in textwrap.wrap(
            text,
            max(width, 2 * HANG),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        or [""]
    ]


UNBOUND = 100_000
"""Columns of a pipe: whoever reads from it breaks lines itself."""


def for_terminal(
    lines: Iterable[str], indent: int = HANG, stream: TextIO | None = None
) -> list[str]:
    """Return lines as wide as the terminal; where nothing is drawn on one, as they are."""
    return hung(lines, columns(UNBOUND, stream), indent)


def duration_text(seconds: float) -> str:
    """Return a rough duration as a person says it: `40 s`, `7 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def bytes_text(size: int) -> str:
    """Return a size as a person reads it, in binary units."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
