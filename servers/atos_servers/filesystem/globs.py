"""Glob patterns over relative paths, matched in time proportional to pattern times path. Pure.

`*` and `?` stay within a name, `**` spans folders, `[a-z]` and `[!a-z]` are sets, `{a,b}` are
alternatives. No regular expressions: a pattern comes from a model and may be built to backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from atos_servers.filesystem.errors import BadPathError
from atos_servers.filesystem.paths import Parts

MAX_PATTERN = 500
MAX_ALTERNATIVES = 64
MAX_EXPANDED = 4_000
"""Most characters of all alternatives of all the patterns of one call."""


class Glob:
    """A compiled pattern.

    Raises:
        BadPathError: it is too long, or has too many alternatives.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            message = (
                f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN} are allowed"
            )
            raise BadPathError(message, next_step="Use a shorter pattern.")
        self.pattern = pattern
        expanded = _expand(pattern)
        self.length = sum(map(len, expanded))
        """Characters of all its alternatives: what matching a path costs."""
        self._alternatives = [[_Name(part) for part in _parts(text)] for text in expanded]

    def matches(self, parts: Parts) -> bool:
        """Return whether a relative path matches the whole pattern."""
        return any(_match_path(wanted, parts) for wanted in self._alternatives)

    @cached_property
    def is_plain(self) -> bool:
        """True for a pattern without wildcards."""
        return not set(self.pattern) & set("*?[{")


def globs(patterns: Iterable[str]) -> list[Glob]:
    """Return the patterns of one call.

    Raises:
        BadPathError: matching that many would take long.
    """
    found: list[Glob] = []
    for pattern in patterns:
        found.append(Glob(pattern))
        if (length := sum(glob.length for glob in found)) > MAX_EXPANDED:
            message = f"the patterns have {length} characters, at most {MAX_EXPANDED} are allowed"
            raise BadPathError(message, next_step="Give fewer patterns, with fewer braces.")
    return found


def _parts(text: str) -> Parts:
    parts = tuple(p for p in text.split("/") if p not in ("", "."))
    parts = tuple(p for at, p in enumerate(parts) if p != "**" or parts[at - 1 : at] != ("**",))
    # `a/**` is what lies below `a`, without `a` itself
    return (*parts, "*") if len(parts) > 1 and parts[-1] == "**" else parts


def _expand(pattern: str) -> list[str]:
    """Expand `{a,b}`, innermost last; an unclosed brace is a literal character."""
    done: list[str] = []
    todo = [pattern]
    while todo:
        text = todo.pop()
        close = text.find("}")
        start = text.rfind("{", 0, close)
        if close < 0 or start < 0:
            done.append(text)
        else:
            choices = text[start + 1 : close].split(",")
            todo += [text[:start] + choice + text[close + 1 :] for choice in choices]
        if len(done) + len(todo) > MAX_ALTERNATIVES:
            message = f"the pattern has more than {MAX_ALTERNATIVES} alternatives"
            raise BadPathError(message, next_step="Use fewer braces.")
    return done


class _Name:
    """The pattern of one name. The positions that a name may be at are the bits of one number."""

    def __init__(self, wanted: str) -> None:
        self.is_span = wanted == "**"
        self._stars = 0
        self._plain: dict[str, int] = {}
        self._sets: list[tuple[str, int]] = []
        self._any = 0
        position = 0
        for token in _tokens(wanted):
            if token == "*":
                self._stars |= 1 << position
                continue
            self._add(token, 1 << position)
            position += 1
        self._end = 1 << position
        self._head, self._tail = _literal_ends(wanted)

    def _add(self, token: str, bit: int) -> None:
        if token == "?":
            self._any |= bit
        elif len(token) == 1:
            self._plain[token] = self._plain.get(token, 0) | bit
        else:
            self._sets.append((token, bit))

    def matches(self, name: str) -> bool:
        """Return whether the whole name fits; most names are told by their literal ends."""
        if not (name.startswith(self._head) and name.endswith(self._tail)):
            return False
        states = 1
        for character in name:
            fitting = self._any | self._plain.get(character, 0)
            for token, bit in self._sets:
                if states & bit and _fits(token, character):
                    fitting |= bit
            states = (states & fitting) << 1 | states & self._stars
            if not states:
                return False
        return bool(states & self._end)


def _match_path(wanted: Sequence[_Name], parts: Parts) -> bool:
    """Match name by name; the set contains every position that the pattern may be at."""
    if wanted and parts and not wanted[-1].is_span:
        if not wanted[-1].matches(parts[-1]):
            return False
        if len(wanted) == 2 and wanted[0].is_span:
            return True
    states = _skip_spans({0}, wanted)
    for part in parts:
        moved: set[int] = set()
        for at in states:
            if at == len(wanted):
                continue
            if wanted[at].is_span:
                moved.add(at)
            elif wanted[at].matches(part):
                moved.add(at + 1)
        states = _skip_spans(moved, wanted)
    return len(wanted) in states


def _skip_spans(states: set[int], wanted: Sequence[_Name]) -> set[int]:
    """Add the positions behind every `**`, because it may match no folder at all."""
    return states | {at + 1 for at in states if at < len(wanted) and wanted[at].is_span}


def _literal_ends(wanted: str) -> tuple[str, str]:
    """Return how every name that fits begins and ends."""
    cut = re.split(r"[*?\[]", wanted)
    return cut[0], "" if "]" in cut[-1] else cut[-1]


def _tokens(wanted: str) -> list[str]:
    """Cut a pattern into single characters and `[...]` sets."""
    found: list[str] = []
    at = 0
    while at < len(wanted):
        end = wanted.find("]", at + 2) if wanted[at] == "[" else -1
        stop = end + 1 if end > 0 else at + 1
        found.append(wanted[at:stop])
        at = stop
    return found


def _fits(token: str, character: str) -> bool:
    inside = token[1:-1]
    negated = inside[0] in "!^"
    body = inside[1:] if negated else inside
    return _in_set(body, character) != negated


def _in_set(body: str, character: str) -> bool:
    at = 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            if body[at] <= character <= body[at + 2]:
                return True
            at += 3
        else:
            if body[at] == character:
                return True
            at += 1
    return False
