"""Reads names that a sentence lists: `add, subtract and multiply`. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.spans import bracket_end

MAX_NAMES = 12

_NAME = re.compile(r"([`\"']?)([^\W\d]\w*)([`\"']?)")
_NEXT = re.compile(r"[ \t]*(?:,[ \t\n]*(?:and[ \t\n]+)?|[ \t\n]+and[ \t\n]+|[ \t]*&[ \t]*)")
_LAST = re.compile(
    r"\(|[ \t]*(?:[,.;:)\n]|\Z)|[ \t]+(?:and|or|that|which|to|for|with|in|returning|taking"
    r"|accepting|from|on)\b"
)
_NO_NAMES = frozenset({
    "a", "an", "the", "that", "this", "these", "those", "to", "which", "who", "whose", "for",
    "of", "and", "or", "should", "must", "can", "will", "would", "may", "in", "on", "at", "by",
    "as", "is", "are", "be", "it", "its", "from", "with", "without", "using", "use", "like",
    "call", "called", "named", "names", "name", "has", "have", "returns", "return", "takes",
    "take", "accepts", "accept", "given", "gets", "get", "only", "each", "every", "one", "two",
    "three", "signature", "signatures", "body", "itself", "pointer", "arguments", "argument",
    "parameter", "parameters", "calls", "library", "libraries", "file", "module", "not",
    "also", "if", "when", "where", "then", "but", "so", "such", "below", "above", "here",
    "into", "per", "python", "there", "they", "work", "works", "need", "needs", "do", "does",
})  # fmt: skip


def listed_names(text: str, at: int) -> Iterator[tuple[str, Place]]:
    """Yield the identifiers listed at a position, as far as they can't be plain words."""
    for _ in range(MAX_NAMES):
        found = _NAME.match(text, at)
        if not found or not _is_name(text, found):
            return
        yield found[2], Place(*found.span(2))
        end = found.end()
        if text[end : end + 1] == "(":
            end = max(end, bracket_end(text, end))
        following = _NEXT.match(text, end)
        if not following:
            return
        at = following.end()


def _is_name(text: str, found: re.Match[str]) -> bool:
    name, quoted = found[2], bool(found[1] and found[3])
    if (
        name.lower() in _NO_NAMES
        or keyword.iskeyword(name)
        or (name.endswith("ing") and not quoted)
    ):
        return False
    if (
        text[found.end() : found.end() + 1] in {".", "-", "'"}
        and text[found.end() + 1 : found.end() + 2].isalnum()
    ):
        return False
    return quoted or "_" in name or bool(_LAST.match(text, found.end()))
