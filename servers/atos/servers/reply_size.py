"""Cuts a tool's reply to what a model's context can bear, and says so.

The structured part and its text are cut alike: first the longest strings, then the ends of the
longest lists, so that what is left still fits the tool's output schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, TextContent

LIMIT = 32_000
"""Bytes of text in one reply: about 8,000 tokens."""

ROOM = 300
"""Bytes kept for the note and for the marks where something was cut."""

ROUNDS = 64
"""Cuts tried before a reply of very many small parts is given as text alone."""

Holder = dict[str, Any] | list[Any]


def fit(result: ToolResult, limit: int = LIMIT) -> ToolResult:
    """Return the result itself if it is small enough, else one that was cut and says so."""
    size = _text_size(result.content)
    structured = result.structured_content
    if structured is not None:
        size = max(size, len(_dump(structured).encode()))
    if size <= limit:
        return result
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    mirrored = structured is not None and _says_the_same(texts, structured)
    if structured is not None:
        structured = shrink(structured, limit - ROOM)
    note = f"[cut: this reply had {size} bytes, more than {limit}. Next: ask for a smaller part.]"
    shown = _dump(structured) if mirrored else cut_text("\n".join(texts), limit - ROOM)
    others = [block for block in result.content if not isinstance(block, TextContent)]
    content = [_block(shown), _block(note), *others]
    return ToolResult(
        content=content, structured_content=structured, meta=result.meta, is_error=result.is_error
    )


def cut_text(text: str, limit: int) -> str:
    """Return the beginning of `text`, `limit` bytes at most, ending in a mark if cut."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    mark = f" [... {len(raw)} bytes in all]"
    return raw[: max(0, limit - len(mark))].decode(errors="ignore") + mark


def shrink(value: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return a copy of a JSON object that takes at most `limit` bytes, by cutting what is longest."""
    kept: dict[str, Any] = json.loads(_dump(value))
    for _ in range(ROUNDS):
        excess = len(_dump(kept).encode()) - limit
        if excess <= 0:
            break
        holder, key = max(_parts(kept), key=lambda part: _weight(part[0][part[1]]))
        _cut_part(holder, key, excess)
    return kept


def _parts(value: Holder) -> Iterator[tuple[Any, Any]]:
    """Yield where every string and every list of the tree stands, as holder and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, str | list):
            yield value, key
        if isinstance(item, dict | list):
            yield from _parts(cast("Holder", item))


def _weight(part: str | list[Any]) -> int:
    """Return what a cut there can win: a string's bytes, a list's own items without long strings."""
    if isinstance(part, str):
        return len(part.encode())
    return sum(min(64, len(_dump(item))) for item in part)


def _cut_part(holder: Any, key: Any, excess: int) -> None:
    part = holder[key]
    if isinstance(part, str):
        holder[key] = cut_text(part, max(0, len(part.encode()) - excess - 40))
        return
    size = len(_dump(part).encode())
    keep = max(0, int(len(part) * (size - excess) / size) - 1) if size > excess else len(part) // 2
    holder[key] = part[:keep]


def _says_the_same(texts: list[str], structured: Any) -> bool:
    try:
        return len(texts) == 1 and json.loads(texts[0]) == structured
    except ValueError:
        return False


def _text_size(content: list[ContentBlock]) -> int:
    return sum(len(block.text.encode()) for block in content if isinstance(block, TextContent))


def _block(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
