"""Finds sentences, bracketed spans and calls in text that is partly prose, partly code. Pure.

Everything is linear in the length of the text, whatever it contains: a scan of a bracket ends after
`MAX_SPAN` characters or `MAX_DEPTH` brackets, and no pattern repeats within a repetition.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from atos_orchestrator.planning.brief.findings import Place

MAX_SPAN = 1_500
MAX_DEPTH = 12

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_MARK = re.compile(r"[()\[\]{}'\"]|\n[ \t]*\n")
_TRIPLE = re.compile(r"'''|\"\"\"")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_CALL = re.compile(r"(?<![\w.])[^\W\d]\w*(?:\.[^\W\d]\w*)*\(")
_POSTFIX = re.compile(r"\.[^\W\d]\w*")
_SENTENCE_END = re.compile(
    r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<!\bvs)(?<!\bcf)[.!?][)\"'`*]*(?:[ \t]*\n|[ \t]+)"
    r"|\n(?=[ \t]*(?:\n|[-*+•][ \t]|\d+[.)][ \t]|>>>|```))"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the text, with whatever is called or taken of its result."""

    name: str
    """What is called first, with its dots: `f`, `Stack`, `s.pop`."""
    arguments: str
    """Of the first call, without its brackets."""
    first: Place
    """The first call: `Stack()` of `Stack().pop()`."""
    place: Place
    """The whole expression."""


def calls(text: str) -> Iterator[Call]:
    """Yield the calls whose brackets are balanced, outer ones and inner ones."""
    for found in _CALL.finditer(text):
        end = bracket_end(text, found.end() - 1)
        if end > 0:
            name = found[0][:-1]
            first = Place(found.start(), end)
            whole = Place(found.start(), _postfix_end(text, end))
            yield Call(name, text[found.end() : end - 1], first, whole)


def _postfix_end(text: str, at: int) -> int:
    """Return where an expression ends that goes on with `.name`, `(...)` or `[...]`."""
    for _ in range(MAX_DEPTH):
        dotted = _POSTFIX.match(text, at)
        end = dotted.end() if dotted else -1
        if not dotted and text[at : at + 1] in {"(", "["}:
            end = bracket_end(text, at)
        if end < 0:
            break
        at = end
    return at


def bracket_end(text: str, start: int) -> int:
    """Return the end of the bracket that opens at `start`, or -1; quoted brackets don't count."""
    limit = min(len(text), start + MAX_SPAN)
    expected: list[str] = []
    at = start
    while found := _MARK.search(text, at, limit):
        mark, at = found[0], found.end()
        if mark in _PAIRS:
            expected.append(_PAIRS[mark])
            if len(expected) > MAX_DEPTH:
                return -1
        elif mark in {"'", '"'}:
            at = string_end(text, found.start(), limit)
            if at < 0:
                return -1
        elif mark.startswith("\n") or mark != expected.pop():
            return -1
        elif not expected:
            return at
    return -1


def string_end(text: str, start: int, limit: int) -> int:
    """Return the end of the quoted text that opens at `start`, or -1."""
    triple = _TRIPLE.match(text, start, limit)
    if triple:
        end = text.find(triple[0], triple.end(), limit)
        return end + 3 if end > 0 else -1
    found = _STRING.match(text, start, limit)
    return found.end() if found else -1


def sentences(text: str) -> list[Place]:
    """Return the sentences and list items that cover the text, in order."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    borders = [0, *ends, len(text)]
    return [Place(a, b) for a, b in pairwise(borders) if b > a]


def place_around(places: Sequence[Place], at: int) -> Place:
    """Return which of some adjoining places contains a position."""
    return places[max(0, bisect_right(places, at, key=lambda each: each.start) - 1)]


def parse(source: str) -> ast.Module | None:
    """Parse Python, or return None: text from outside can break the parser in several ways."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def unparse(tree: ast.AST) -> str:
    """Return a tree in one way of writing; an empty text where that is impossible."""
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    except (ValueError, RecursionError):
        return ""
