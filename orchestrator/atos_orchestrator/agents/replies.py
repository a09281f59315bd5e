"""Reads whole files from a model's reply: one fence per file. Code never travels inside JSON.

A fence belongs to the path named by its info string, the line before it, or its first comment; the
first fence for a path wins. If one file is wanted and no fence is named, the first fence is taken.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OPEN = re.compile(r"^\s{0,3}(?P<ticks>`{3,})\s*(?P<info>[^`]*)$")
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_FENCED_JSON = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|txt|toml|json|html|css|cfg|ini|yaml|yml|csv)\b")


class ReplyError(ValueError):
    """The reply lacks something that was asked for; the text says what."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block."""

    named: str
    """Path that it is labelled with, or an empty text."""
    body: str


def read_json(text: str) -> object:
    """Read a JSON reply; some models write their reasoning first, or put a fence around the JSON.

    Raises:
        ReplyError: it is not JSON.
    """
    bare = _THOUGHT.sub("", text).strip()
    fenced = _FENCED_JSON.match(bare)
    try:
        return json.loads(fenced[1] if fenced else bare)
    except ValueError as error:
        message = f"the reply is not JSON: {error}"
        raise ReplyError(message) from error


def read_files(text: str, wanted: Sequence[str]) -> dict[str, str]:
    """Return path -> text of every wanted file.

    Raises:
        ReplyError: a file is missing, or the reply ends inside a fence.
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
            raise ReplyError(message)
        found[path] = match.body
    return found


def read_begun(text: str) -> str:
    """Return the code of a reply that was begun inside a fence: up to its end, or the reply's.

    Raises:
        ReplyError: there is none.
    """
    lines = _THOUGHT.sub("", text).lstrip().splitlines(keepends=True)
    body = list(itertools.takewhile(lambda line: not line.startswith("```"), lines[1:]))
    code = "".join(body).rstrip()
    if not code:
        message = "the reply is empty"
        raise ReplyError(message)
    return f"{code}\n"


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
            message = "the reply ends inside a fence, so the file is incomplete"
            raise ReplyError(message)
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
    """Return what is between the first and the last fence: a page may contain fences itself."""
    lines = text.splitlines(keepends=True)
    marks = [at for at, line in enumerate(lines) if line.lstrip().startswith("```")]
    if len(marks) < 2 or not (body := "".join(lines[marks[0] + 1 : marks[-1]])).strip():
        message = "the reply has no closed fence with the whole page"
        raise ReplyError(message)
    return body
