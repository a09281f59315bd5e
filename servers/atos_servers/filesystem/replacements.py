"""Where edits changed a file, and what that looks like as a diff: from known offsets. Pure.

Comparing two whole files takes minutes when lines recur, and a model chose the file. So each edit
notes what it replaced, and only those places are shown, each compared within bounds.

    replacements (byte offsets) -> whole lines around them -> changed lines -> hunks with context
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

CONTEXT = 3
"""Unchanged lines shown around a change."""
COMPARED = 2_500
"""Lines before times lines after of one place that are still compared with each other."""
COMPARED_IN_ALL = 50_000
PLACE_BYTES = 64 << 10
"""What is shown of one place, before and after each."""
LINES_SHOWN = 1_000
LINE_BYTES = 2_000


class Span(NamedTuple):
    """Bytes `start` to `end` of the old content became `new_start` to `new_end` of the new one."""

    start: int
    end: int
    new_start: int
    new_end: int

    @property
    def growth(self) -> int:
        """How many bytes longer the new text is."""
        return (self.new_end - self.new_start) - (self.end - self.start)


class Change(NamedTuple):
    """Whole lines that became others; of a large place only the beginning is shown."""

    start: int
    """Offset of the first old line."""
    end: int
    """Offset behind the last old line."""
    line: int
    """Number of the first old line, from 0."""
    new_line: int
    removed: int
    """How many old lines there are."""
    added: int
    shown: list[bytes]
    """Lines with their marks, as a diff has them."""


def with_replacement(spans: Sequence[Span], start: int, end: int, length: int) -> list[Span]:
    """Return the spans after bytes `start` to `end` of the new content became `length` others.

    Spans are in order and apart from each other; those that the replacement touches become one
    with it.
    """
    before = [span for span in spans if span.new_end < start]
    after = [span for span in spans if span.new_start > end]
    touched = spans[len(before) : len(spans) - len(after)]
    grown = sum(span.growth for span in before)
    first = min([start, *(span.new_start for span in touched)])
    last = max([end, *(span.new_end for span in touched)])
    old_end = last - grown - sum(span.growth for span in touched)
    more = length - (end - start)
    merged = Span(first - grown, old_end, first, last + more)
    moved = (Span(s.start, s.end, s.new_start + more, s.new_end + more) for s in after)
    return [*before, merged, *moved]


def _end_of_line(data: bytes, at: int) -> int:
    found = data.find(b"\n", at)
    return len(data) if found < 0 else found + 1


def _whole_lines(before: bytes, spans: Iterable[Span]) -> list[Span]:
    """Widen spans to whole lines of the old content; those that share a line become one."""
    widened: list[Span] = []
    for span in spans:
        start, end = before.rfind(b"\n", 0, span.start) + 1, _end_of_line(before, span.end)
        wide = Span(
            start, end, span.new_start - (span.start - start), span.new_end + (end - span.end)
        )
        if widened and start < widened[-1].end:
            last = widened.pop()
            wide = Span(last.start, end, last.new_start, wide.new_end)
        widened.append(wide)
    return widened


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def _cut(line: bytes) -> bytes:
    return line if len(line) <= LINE_BYTES else line[:LINE_BYTES] + b" [cut]"


def _marked(mark: bytes, lines: Iterable[bytes]) -> list[bytes]:
    return [mark + _cut(line) for line in lines]


def _opcodes(old: list[bytes], new: list[bytes], most: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield which lines became which: the least for a small place, one change for a large one."""
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    old_end, new_end = len(old) - tail, len(new) - tail
    if (old_end - head) * (new_end - head) > most:
        yield head, old_end, head, new_end
        return
    matcher = difflib.SequenceMatcher(None, old[head:old_end], new[head:new_end], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield head + a, head + b, head + c, head + d


def _beginning(data: bytes) -> list[bytes]:
    lines = _lines(data[:PLACE_BYTES])
    return lines if len(data) <= PLACE_BYTES else [*lines, b"[cut]"]


def _large_change(before: bytes, after: bytes, span: Span, lines: tuple[int, int]) -> Change:
    old, new = before[span.start : span.end], after[span.new_start : span.new_end]
    shown = [*_marked(b"-", _beginning(old)), *_marked(b"+", _beginning(new))]
    counts = (_count(old), _count(new))
    return Change(span.start, span.end, *lines, *counts, shown)


def _count(data: bytes) -> int:
    return data.count(b"\n") + bool(data and not data.endswith(b"\n"))


def _small_changes(
    before: bytes, after: bytes, span: Span, lines: tuple[int, int], most: int
) -> Iterator[Change]:
    old = _lines(before[span.start : span.end])
    new = _lines(after[span.new_start : span.new_end])
    offsets = [span.start]
    for _ in old:
        offsets.append(_end_of_line(before, offsets[-1]))
    for a, b, c, d in _opcodes(old, new, most):
        shown = [*_marked(b"-", old[a:b]), *_marked(b"+", new[c:d])]
        yield Change(offsets[a], offsets[b], lines[0] + a, lines[1] + c, b - a, d - c, shown)


def changes(before: bytes, after: bytes, spans: Iterable[Span]) -> Iterator[Change]:
    """Yield the changed lines in order; `spans` are where the old content became the new one."""
    at, line, grown, left = 0, 0, 0, COMPARED_IN_ALL
    for span in _whole_lines(before, spans):
        line += before.count(b"\n", at, span.start)
        at = span.start
        removed = before.count(b"\n", span.start, span.end)
        added = after.count(b"\n", span.new_start, span.new_end)
        numbers = (line, line + grown)
        if max(span.end - span.start, span.new_end - span.new_start) > PLACE_BYTES:
            yield _large_change(before, after, span, numbers)
        else:
            yield from _small_changes(before, after, span, numbers, min(COMPARED, left))
            left = max(0, left - removed * added)
        grown += added - removed


def _hunks(before: bytes, found: Iterable[Change]) -> Iterator[list[Change]]:
    hunk: list[Change] = []
    for change in found:
        if hunk and before.count(b"\n", hunk[-1].end, change.start) > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _context_before(before: bytes, at: int) -> list[bytes]:
    start = at
    for _ in range(CONTEXT):
        start = before.rfind(b"\n", 0, max(start - 1, 0)) + 1
    return _lines(before[start:at])


def _context_after(before: bytes, at: int) -> list[bytes]:
    end = at
    for _ in range(CONTEXT):
        end = _end_of_line(before, end)
    return _lines(before[at:end])


def _range(first: int, count: int) -> str:
    if count == 1:
        return str(first + 1)
    return f"{first + 1 if count else first},{count}"


def _hunk(before: bytes, hunk: Sequence[Change]) -> Iterator[bytes]:
    lead, trail = _context_before(before, hunk[0].start), _context_after(before, hunk[-1].end)
    body = _marked(b" ", lead)
    kept = len(lead) + len(trail)
    for number, change in enumerate(hunk):
        if number:
            between = _lines(before[hunk[number - 1].end : change.start])
            kept += len(between)
            body += _marked(b" ", between)
        body += change.shown
    body += _marked(b" ", trail)
    removed, added = sum(c.removed for c in hunk), sum(c.added for c in hunk)
    old = _range(hunk[0].line - len(lead), removed + kept)
    new = _range(hunk[0].new_line - len(lead), added + kept)
    yield f"@@ -{old} +{new} @@".encode()
    yield from body


def diff_lines(before: bytes, after: bytes, spans: Iterable[Span]) -> Iterator[bytes]:
    """Yield the hunks of a unified diff, `LINES_SHOWN` lines at most."""
    shown = 0
    for hunk in _hunks(before, changes(before, after, spans)):
        for line in _hunk(before, hunk):
            shown += 1
            if shown > LINES_SHOWN:
                yield b"[cut: the rest of the change is not shown]"
                return
            yield line
