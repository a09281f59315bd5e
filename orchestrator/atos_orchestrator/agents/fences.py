"""Reads whole files out of a reply: one fence per file. Code never travels inside JSON.

A fence belongs to the path that its info string, the line before it or its first comment names; the
first fence of a path wins. One wanted file and fences without a name: the first fence is it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OPEN = re.compile(r"^\s{0,3}(?P<ticks>`{3,})\s*(?P<info>[^`]*)$")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|txt|toml|json|html|css|cfg|ini|yaml|yml|csv)\b")


class FenceError(ValueError):
    """The reply doesn't hold the files that were asked for; the text says which one is missing."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block."""

    named: str
    """Path that it is labelled with, or an empty text."""
    body: str


def read_files(text: str, wanted: Sequence[str]) -> dict[str, str]:
    """Return path -> text of every wanted file.

    Raises:
        FenceError: a file is missing, or the reply ends inside a fence.
    """
    if len(wanted) == 1 and wanted[0].endswith(".md"):
        return {wanted[0]: _outermost(text)}
    fences = list(_fences(text))
    found: dict[str, str] = {}
    for path in wanted:
        base = path.rpartition("/")[2]
        match = next((f for f in fences if f.named in {path, base}), None)
        if match is None and len(wanted) == 1:
            match = next((f for f in fences if not f.named), None)
        if match is None or not match.body.strip():
            message = f"the reply has no closed fence with the whole file {path}"
            raise FenceError(message)
        found[path] = match.body
    return found


def _fences(text: str) -> Iterator[Fence]:
    lines = text.splitlines(keepends=True)
    at, before = 0, ""
    while at < len(lines):
        opening = _OPEN.match(lines[at].rstrip())
        if not opening:
            before = lines[at].strip() or before
            at += 1
            continue
        end = at + 1
        while end < len(lines) and not _closes(lines[end], opening["ticks"]):
            end += 1
        if end == len(lines):
            message = "the reply ends inside a fence, so the file is not whole"
            raise FenceError(message)
        body = "".join(lines[at + 1 : end])
        yield Fence(_name(opening["info"], before, body), body)
        at, before = end + 1, ""


def _closes(line: str, ticks: str) -> bool:
    bare = line.strip()
    return set(bare) == {"`"} and len(bare) >= len(ticks)


def _name(info: str, before: str, body: str) -> str:
    first = body.lstrip().partition("\n")[0]
    comment = first if first.startswith("#") else ""
    for place in (info, before, comment):
        if len(place) < 120 and (found := _PATH.search(place)):
            return found[0].removeprefix("./")
    return ""


def _outermost(text: str) -> str:
    """Return what lies between the first and the last fence: a page may hold fences itself."""
    lines = text.splitlines(keepends=True)
    marks = [at for at, line in enumerate(lines) if line.lstrip().startswith("```")]
    if len(marks) < 2 or not (body := "".join(lines[marks[0] + 1 : marks[-1]])).strip():
        message = "the reply has no closed fence with the whole page"
        raise FenceError(message)
    return body
