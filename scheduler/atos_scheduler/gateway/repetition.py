"""Tells when a reply has begun to repeat itself without end, as small models do. Pure.

What counts is an exact repetition at the end of the text: at least `SHORTEST` characters of it, and
the repeated part at least `TIMES` times. Tables and separators in real code stay well below that.
"""

from __future__ import annotations

SHORTEST = 1_000
TIMES = 4
LONGEST_PART = 1_000
"""Characters of a part whose repetition is looked for."""
STEP = 128
"""Characters between two looks: each costs a millisecond."""


def repeated_part(text: str) -> str:
    """Return what the end of a text repeats without end; "" if it does not.

    The periods of all suffixes are found at once, as Knuth, Morris and Pratt do it.
    """
    tail = text[: -TIMES * LONGEST_PART - 1 : -1]
    borders = [0]
    """Length of a prefix, less one -> length of its longest border."""
    for at in range(1, len(tail)):
        border = borders[-1]
        while border and tail[border] != tail[at]:
            border = borders[border - 1]
        borders.append(border + (tail[border] == tail[at]))
        period = at + 1 - borders[-1]
        if at + 1 >= max(SHORTEST, TIMES * period):
            return tail[period - 1 :: -1]
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
