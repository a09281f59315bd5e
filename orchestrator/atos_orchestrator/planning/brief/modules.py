"""Finds the modules that a goal names, and which part of its text is about which. Pure."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.spans import sentences

_FILE = re.compile(r"(?<![\w./-])((?:[A-Za-z_][\w-]*/)*[A-Za-z_][\w-]*\.py)\b(?![\w/])", re.ASCII)
_NAMED = re.compile(
    r"\b(?:module|file|script)s?[ \t]+(?:(?:called|named)[ \t]+[`\"']?"
    r"|[`\"'])([a-z_]\w*)\b(?![\w.(])",
    re.ASCII,
)
_BEFORE = re.compile(r"`([a-z_]\w*)`[ \t]+module\b", re.ASCII)
_TEST = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$")
_USE = re.compile(
    r"\b(?:using|uses?|reus(?:es?|ing)|imports?|importing|from|on top of|builds? on"
    r"|based on|help of"
    r"|via|calls?|depends? on|relies on)[ \t\n]+(?:the[ \t]+)?(?:(?:module"
    r"|file)[ \t]+)?(?:named[ \t]+)?[`\"']?\Z"
)
_IN = re.compile(
    r"\b(?:in|into|inside|to)[ \t\n]+(?:the[ \t]+|a[ \t]+)?(?:(?:module"
    r"|file)[ \t]+)?(?:called[ \t]+|named[ \t]+)?[`\"']?\Z"
)
_LOOK_BACK = 40

MAX_MENTIONS = 100
"""Of modules in one goal; what comes after them is left out."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where a goal names a module."""

    module: str
    """Path of the file."""
    place: Place
    is_use: bool
    """`using stack.py`: something else needs it."""
    is_target: bool
    """`..., in stack.py`: what stands before is to be written there."""


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules that a goal wants to have written."""

    paths: tuple[str, ...]
    mentions: tuple[Mention, ...]
    borders: tuple[tuple[int, str], ...]
    """Where a part of the text begins that is about a module."""

    def owner(self, at: int) -> str:
        """Return the module that a position of the text is about; empty where none is named before."""
        if len(self.paths) == 1:
            return self.paths[0]
        index = bisect_right(self.borders, at, key=lambda border: border[0]) - 1
        return self.borders[index][1] if index >= 0 else ""

    def parts(self, module: str, text: str) -> list[Place]:
        """Return the parts of the text that are about a module."""
        ends = [start for start, _ in self.borders[1:]] + [len(text)]
        pairs = zip(self.borders, ends, strict=False)
        return [Place(start, end) for (start, name), end in pairs if name == module]


def find_modules(text: str) -> Modules:
    """Return the modules that a goal names, in order; tests and modules of Python are none."""
    found = sorted(_mentions(text), key=lambda each: each.place.start)
    mentions = found[:MAX_MENTIONS]
    defining = [each for each in mentions if not each.is_use] or mentions
    paths = tuple(dict.fromkeys(each.module for each in defining))
    borders = tuple(_borders(text, defining))
    return Modules(paths, tuple(mentions), borders)


def _mentions(text: str) -> Iterator[Mention]:
    for pattern in (_FILE, _NAMED, _BEFORE):
        for found in pattern.finditer(text):
            name = found[1]
            path = name if name.endswith(".py") else f"{name}.py"
            if _TEST.search(path) or (path != name and name in sys.stdlib_module_names):
                continue
            start = found.start(1) if pattern is _FILE else found.start()
            before = text[max(0, start - _LOOK_BACK) : start]
            is_use, is_target = bool(_USE.search(before)), bool(_IN.search(before))
            yield Mention(path, Place(start, found.end(1)), is_use, is_target)


def _borders(text: str, mentions: Sequence[Mention]) -> Iterator[tuple[int, str]]:
    at = 0
    for sentence in sentences(text):
        inside: list[Mention] = []
        while at < len(mentions) and mentions[at].place.start < sentence.end:
            inside.append(mentions[at])
            at += 1
        before: Mention | None = None
        for mention in inside:
            yield _start(text, sentence, before, mention), mention.module
            before = mention


def _start(text: str, sentence: Place, before: Mention | None, mention: Mention) -> int:
    """Return where the part begins that is about a mention."""
    if before is None:
        return sentence.start
    if not mention.is_target:
        return mention.place.start
    if before.is_target:
        return before.place.end
    between = text[before.place.end : mention.place.start]
    cut = max(between.rfind(" and "), between.rfind(", "), between.rfind("; "))
    return before.place.end + max(cut, 0)
