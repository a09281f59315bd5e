"""Which parts of two contents differ, in time that does not depend on how their lines recur. Pure.

    lines that occur once in both -> the longest run of them in the same order -> what lies between

That is the first step of a patience diff. `replacements.py` shows each such place within its bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from atos_servers.filesystem.replacements import Span

ANCHORS = 20_000
"""Lines that are compared; a place behind them is shown as one."""


def spans_between(before: bytes, after: bytes) -> list[Span]:
    """Return where `before` must be changed to become `after`, in order."""
    old, new = _lines(before), _lines(after)
    anchors = list(_anchors(old[:ANCHORS], new[:ANCHORS]))
    starts_old, starts_new = _offsets(old), _offsets(new)
    spans: list[Span] = []
    at_old = at_new = 0
    for line_old, line_new in [*anchors, (len(old), len(new))]:
        span = _narrowed(old, new, (at_old, line_old, at_new, line_new))
        if span[0] < span[1] or span[2] < span[3]:
            a, b, c, d = span
            spans.append(Span(starts_old[a], starts_old[b], starts_new[c], starts_new[d]))
        at_old, at_new = line_old + 1, line_new + 1
    return spans


def _narrowed(
    old: Sequence[bytes], new: Sequence[bytes], place: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Leave out equal lines at both ends of a place."""
    a, b, c, d = place
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    return a, b, c, d


def _anchors(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the lines that occur once in both and are in the same order, as many as possible."""
    only_old, only_new = _once(old), _once(new)
    pairs = [(number, only_new[line]) for line, number in only_old.items() if line in only_new]
    tails: list[int] = []
    chosen: list[int] = []
    came_from: list[int] = []
    for at, (_line_old, line_new) in enumerate(pairs):
        length = bisect_left(tails, line_new)
        came_from.append(chosen[length - 1] if length else -1)
        tails[length : length + 1], chosen[length : length + 1] = [line_new], [at]
    found: list[tuple[int, int]] = []
    at = chosen[-1] if chosen else -1
    while at >= 0:
        found.append(pairs[at])
        at = came_from[at]
    return reversed(found)


def _once(lines: Sequence[bytes]) -> dict[bytes, int]:
    """Return the lines that occur once, with their numbers, in order."""
    numbers: dict[bytes, int] = {}
    repeated: set[bytes] = set()
    for number, line in enumerate(lines):
        if line in numbers:
            repeated.add(line)
        numbers[line] = number
    return {line: number for line, number in numbers.items() if line not in repeated}


def _offsets(lines: Sequence[bytes]) -> list[int]:
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _lines(data: bytes) -> list[bytes]:
    r"""Return the lines with their `\n`: `splitlines` would end one at `\r` too."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
