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
    old, new = _first_lines(before), _first_lines(after)
    starts_old, starts_new = _offsets(old), _offsets(new)
    spans: list[Span] = []
    at_old = at_new = 0
    for line_old, line_new in _anchors(old, new):
        place = Span(at_old, starts_old[line_old], at_new, starts_new[line_new])
        spans.append(_narrowed(before, after, place))
        at_old, at_new = starts_old[line_old + 1], starts_new[line_new + 1]
    spans.append(_narrowed(before, after, Span(at_old, len(before), at_new, len(after))))
    return [each for each in spans if each.start < each.end or each.new_start < each.new_end]


def _narrowed(before: bytes, after: bytes, place: Span) -> Span:
    """Leave out equal lines at both ends of a place, which begins at the beginning of a line."""
    old, new = before[place.start : place.end], after[place.new_start : place.new_end]
    if old == new:
        return Span(place.end, place.end, place.new_end, place.new_end)
    head = old.rfind(b"\n", 0, _same_beginning(old, new)) + 1
    tail = _same_lines_at_end(old[head:], new[head:])
    return Span(place.start + head, place.end - tail, place.new_start + head, place.new_end - tail)


def _same_beginning(old: bytes, new: bytes) -> int:
    """Return how many bytes are equal from the beginning; lists of lines would take a hundred times the memory."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        same = old[low:middle] == new[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


def _same_lines_at_end(old: bytes, new: bytes) -> int:
    """Return how many bytes the lines have that are equal at the end."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        part_old = old[len(old) - middle : len(old) - low]
        same = part_old == new[len(new) - middle : len(new) - low]
        low, high = (middle, high) if same else (low, middle - 1)
    if not low or all(_begins_line(text, len(text) - low) for text in (old, new)):
        return low
    cut = old.find(b"\n", len(old) - low) + 1
    return len(old) - cut if cut else 0


def _begins_line(text: bytes, at: int) -> bool:
    return at == 0 or text[at - 1 : at] == b"\n"


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


def _first_lines(data: bytes) -> list[bytes]:
    r"""Return the first lines with their `\n`: `splitlines` would end one at `\r` too."""
    *lines, rest = data.split(b"\n", ANCHORS)
    whole = [line + b"\n" for line in lines]
    return [*whole, rest] if rest and len(lines) < ANCHORS else whole
