"""Tells when a reply has begun to repeat itself without end, as small models do. Pure.

What counts is an exact repetition at the end of the text: at least `SHORTEST` characters of it, and
the repeated part at least `TIMES` times. Tables and separators in real code stay well below that.
"""

from __future__ import annotations

SHORTEST = 1_000
TIMES = 4
LONGEST_PART = 1_000
"""Characters of a part whose repetition is looked for."""
MARK = 16
"""Characters at the end of a text whose earlier places give the periods that it may have."""
STEP = 128
"""Characters between two looks."""


def repeated_part(text: str) -> str:
    """Return what the end of a text repeats without end; "" if it does not."""
    tail = text[-TIMES * LONGEST_PART :]
    mark, end = tail[-MARK:], len(tail) - MARK
    found = tail.rfind(mark, 0, len(tail) - 1)
    while found >= 0:
        period = end - found
        size = max(SHORTEST, TIMES * period)
        if size > len(tail):
            return ""
        if tail[-size:-period] == tail[period - size :]:
            return tail[-period:]
        found = tail.rfind(mark, 0, found + MARK - 1)
    return ""


class Repetition:
    """Watches one reply as it comes."""

    def __init__(self) -> None:
        self._tail = ""
        self._unseen = 0

    def see(self, text: str) -> str:
        """Take a piece in; return what the reply repeats, "" while it does not."""
        self._tail = (self._tail + text)[-TIMES * LONGEST_PART :]
        self._unseen += len(text)
        if self._unseen < STEP:
            return ""
        self._unseen = 0
        return repeated_part(self._tail)
