r"""Finds an old text whose lines are right but for blanks at their ends, as the reference server does. Pure.

Used only where the text does not occur as it is, only where one place fits, and told in the reply. The
new text is moved by as much as the old one was off, so its own indentation survives.
"""

from __future__ import annotations

from typing import NamedTuple

SEARCHED = 1 << 20
"""Characters of a file in which such a place is looked for."""


class TolerantMatch(NamedTuple):
    """A place in a text whose lines fit, without the line end of the last one."""

    start: int
    """First character."""
    end: int
    line: int
    """From 1."""
    indent: str
    """Blanks before the first line that is not blank."""


def tolerant_matches(text: str, old: str) -> list[TolerantMatch]:
    """Return up to two places where `old` fits when blanks at the ends of lines don't count."""
    if len(text) > SEARCHED or not old.strip():
        return []
    lines, wanted = text.split("\n"), [line.strip() for line in old.split("\n")]
    bare = "\n" + "\n".join(line.strip() for line in lines) + "\n"
    needle = "\n" + "\n".join(wanted) + "\n"
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found: list[TolerantMatch] = []
    at = bare.find(needle)
    while at >= 0 and len(found) < 2:
        number = bare.count("\n", 0, at)
        last = number + len(wanted)
        first = next(line for line in lines[number:last] if line.strip())
        end = starts[last] - 1 - lines[last - 1].endswith("\r")
        found.append(TolerantMatch(starts[number], end, number + 1, indent_of(first)))
        at = bare.find(needle, at + 1)
    return found


def indent_of(line: str) -> str:
    """Return the blanks at the beginning of a line."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def moved(new: str, old: str, indent: str) -> str:
    """Return the new text indented as the file is, where the old one was written with another indent."""
    first = next((line for line in old.split("\n") if line.strip()), "")
    given = indent_of(first)
    if given == indent:
        return new
    return "\n".join(_moved_line(line, given, indent) for line in new.split("\n"))


def _moved_line(line: str, given: str, indent: str) -> str:
    if not line.strip():
        return line
    if line.startswith(given):
        return indent + line[len(given) :]
    return indent + line.lstrip(" \t")
