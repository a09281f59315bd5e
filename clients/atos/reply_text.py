"""What of a model's reply is its text: with its beginning, and without what it thought. Pure."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_THOUGHT_BEGUN = re.compile(r"(?:(?!<think>|```).)*</think>\s*", re.DOTALL)
"""A thought whose opening tag is in the prompt: some templates write it there."""
_FENCE = re.compile(r"^[ ]{0,3}```[ \t]*(?P<info>[^`\n]*)$", re.MULTILINE)
SHORTEST = 5
"""Characters from which on a repeated beginning can't be chance, as a bracket can."""


def without_thought(text: str) -> str:
    """Return a reply without the thought that it begins with, as models write that think aloud."""
    thought = _THOUGHT.match(text) or _THOUGHT_BEGUN.match(text)
    return text[thought.end() :] if thought else text


def continued(begun: str, came: str) -> str:
    """Return the whole reply, from its beginning and what the model sent after it.

    A model may start anew instead of going on: it sends the beginning again, or without its fence,
    or opens another fence. What it started anew is then the reply.
    """
    code = begun[_opening_end(begun) :]
    fresh = came.lstrip()
    if _repeats(fresh, begun):
        return fresh
    if len(code) < len(begun) and _repeats(fresh, code):
        return begun[: len(begun) - len(code)] + fresh
    return fresh if _opens_anew(begun, came) else begun + came


def _repeats(came: str, begun: str) -> bool:
    wanted = begun.strip()
    return len(wanted) >= SHORTEST and came.startswith(wanted)


def _opening_end(begun: str) -> int:
    """Return where the code begins that an open fence in a beginning holds; 0 if none is open."""
    fences = list(_FENCE.finditer(begun))
    return min(fences[-1].end() + 1, len(begun)) if len(fences) % 2 else 0


def _opens_anew(begun: str, came: str) -> bool:
    """Tell whether the first fence after a beginning with an open one opens another.

    One with a language does, except in a page, which may hold fences; so does a bare one at once,
    if another follows that closes it.
    """
    fences, before = list(_FENCE.finditer(came)), list(_FENCE.finditer(begun))
    if not fences or not _opening_end(begun) or before[-1]["info"].startswith(("md", "markdown")):
        return False
    at_once = not came[: fences[0].start()].strip() and len(fences) > 1
    return bool(fences[0]["info"].strip()) or at_once
