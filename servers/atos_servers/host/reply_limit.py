"""Cuts a tool's reply to what a model's context can bear, and says so.

The structured part and its text are cut alike, the longest strings and lists first, so that what is
left still fits the tool's output schema.
"""

from __future__ import annotations

import json
from typing import Any, cast

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, TextContent

LIMIT = 32_000
"""Bytes of text in one reply: about 8,000 tokens."""

ROOM = 300
"""Bytes kept for the note and for the marks where something was cut."""

ITEM_BYTES = 16
"""What an item of a list counts for: a list may have a sixteenth as many items as a string bytes."""


def fit(result: ToolResult, limit: int = LIMIT) -> ToolResult:
    """Return the result itself if it is small enough, else one that was cut and says so."""
    size = _text_size(result.content)
    structured = result.structured_content
    if structured is not None:
        size = max(size, _size(structured))
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
    """Return the beginning of `text`, `limit` bytes at most; a mark tells how long it was."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    mark = f" [... {len(raw)} bytes in all]"
    if len(mark) > limit:
        mark = ""
    return raw[: limit - len(mark)].decode(errors="ignore") + mark


def shrink(value: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return a JSON object that takes at most `limit` bytes, as far as cutting can do that.

    One cap is put on every string and every list, the highest that fits: what is short stays whole.
    """
    low, high = 0, limit
    while low < high:
        cap = (low + high + 1) // 2
        low, high = (cap, high) if _size(_capped(value, cap)) <= limit else (low, cap - 1)
    return _capped(value, low)


def _capped(value: Any, cap: int) -> Any:
    """Return a tree whose strings have at most `cap` bytes, and its lists as many items as fit."""
    match value:
        case str():
            return cut_text(value, cap)
        case list():
            items = cast("list[Any]", value)
            return [_capped(item, cap) for item in items[: cap // ITEM_BYTES]]
        case dict():
            return {key: _capped(item, cap) for key, item in cast("dict[str, Any]", value).items()}
        case _:
            return value


def _says_the_same(texts: list[str], structured: Any) -> bool:
    try:
        return len(texts) == 1 and json.loads(texts[0]) == structured
    except ValueError:
        return False


def _text_size(content: list[ContentBlock]) -> int:
    return sum(len(block.text.encode()) for block in content if isinstance(block, TextContent))


def _block(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _size(value: Any) -> int:
    return len(_dump(value).encode())


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
