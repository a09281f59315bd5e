"""What a model reads of a result, with nothing hidden in it (`atos_protocol.printable`).

Titles, paths and output come from models, repositories and web forms. In a text they are shown with escapes, in JSON
as JSON's own. What a file holds is not changed, since an edit has to name it exactly: a note says what is hidden there.
Structured content is data and stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, TextContent

from atos_protocol.printable import hidden_character, printable

LAYOUT = "\n\t"
NOTE = (
    "[hidden characters in this text, the first in {where}. They are left as they are. They may show it in another"
    " order than it has, or carry words that nobody sees.]"
)


def is_exact(result: ToolResult) -> bool:
    """Tell a reply of the filesystem server: its text is all that it says, and stays as it is."""
    structured = result.structured_content or {}
    first = result.content[0] if result.content else None
    return isinstance(first, TextContent) and structured.get("content") == first.text


def shown(result: ToolResult, *, exact: bool) -> ToolResult:
    """Return the result itself if nothing is hidden in its texts, else one that shows it.

    Args:
        result: small enough to be looked through.
        exact: see `is_exact`; of the result before it was cut.
    """
    content = [each for block in result.content for each in _shown(block, exact=exact)]
    if content == result.content:
        return result
    return ToolResult(
        content=content,
        structured_content=result.structured_content,
        meta=result.meta,
        is_error=result.is_error,
    )


def _shown(block: ContentBlock, *, exact: bool) -> Iterator[ContentBlock]:
    if not isinstance(block, TextContent):
        yield block
    elif exact:
        yield block
        if where := hidden_character(block.text, code=False):
            yield TextContent(type="text", text=NOTE.format(where=where))
    else:
        text = _visible(block.text)
        yield block if text == block.text else block.model_copy(update={"text": text})


def _visible(text: str) -> str:
    visible = printable(text, keep=LAYOUT)
    if visible == text:
        return text
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return visible
