"""Glob patterns over relative paths, matched in time proportional to pattern times path. Pure.

`*` and `?` stay within a name, `**` spans folders, `[a-z]` and `[!a-z]` are sets, `{a,b}` are
alternatives. No regular expressions: a pattern comes from a model and may be built to backtrack.
"""

from __future__ import annotations

from functools import cached_property

from atos_servers.filesystem.errors import BadPathError
from atos_servers.filesystem.paths import Parts

MAX_PATTERN = 500
MAX_ALTERNATIVES = 64


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
        self._alternatives = [_parts(text) for text in _expand(pattern)]

    def matches(self, parts: Parts) -> bool:
        """Return whether a relative path matches the whole pattern."""
        return any(_match_path(wanted, parts) for wanted in self._alternatives)

    @cached_property
    def is_plain(self) -> bool:
        """True for a pattern without wildcards."""
        return not set(self.pattern) & set("*?[{")


def _parts(text: str) -> Parts:
    parts = tuple(p for p in text.split("/") if p not in ("", "."))
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


def _match_path(wanted: Parts, parts: Parts) -> bool:
    """Match name by name; the set contains every position that the pattern may be at."""
    states = _skip_spans({0}, wanted)
    for part in parts:
        moved: set[int] = set()
        for at in states:
            if at == len(wanted):
                continue
            if wanted[at] == "**":
                moved.add(at)
            elif _match_name(wanted[at], part):
                moved.add(at + 1)
        states = _skip_spans(moved, wanted)
    return len(wanted) in states


def _skip_spans(states: set[int], wanted: Parts) -> set[int]:
    """Add the positions behind every `**`, because it may match no folder at all."""
    reached = set(states)
    for at in sorted(states):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            reached.add(at)
    return reached


def _match_name(wanted: str, name: str) -> bool:
    tokens = _tokens(wanted)
    states = _skip_stars({0}, tokens)
    for character in name:
        moved: set[int] = set()
        for at in states:
            if at == len(tokens):
                continue
            if tokens[at] == "*":
                moved.add(at)
            elif _fits(tokens[at], character):
                moved.add(at + 1)
        states = _skip_stars(moved, tokens)
    return len(tokens) in states


def _skip_stars(states: set[int], tokens: list[str]) -> set[int]:
    reached = set(states)
    for at in sorted(states):
        while at < len(tokens) and tokens[at] == "*":
            at += 1
            reached.add(at)
    return reached


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
    if token == "?":
        return True
    if len(token) == 1:
        return token == character
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
