"""The lines that answer requests, where the SDK does not write them itself."""

from __future__ import annotations

import json
from typing import Any

import pydantic_core
from fastmcp.tools import ToolResult
from mcp.types import INTERNAL_ERROR, ContentBlock, TextContent

from atos_protocol.host_protocol import MAX_LINE_BYTES


def reply(identity: str | int, result: ToolResult) -> bytes:
    """Return the line that carries a result, as the SDK would write it."""
    told: dict[str, Any] = {
        "content": [_told(block) for block in result.content],
        "isError": result.is_error,
    }
    if result.structured_content is not None:
        told["structuredContent"] = result.structured_content
    if result.meta is not None:
        told["_meta"] = result.meta
    return pydantic_core.to_json({"jsonrpc": "2.0", "id": identity, "result": told})


def bounded(identity: str | int, line: bytes) -> bytes:
    """Return an answer, or the error that stands for one that is too long."""
    if len(line) <= MAX_LINE_BYTES:
        return line
    text = f"the answer has {len(line)} bytes, more than {MAX_LINE_BYTES}: ask for less"
    return error_line(identity, INTERNAL_ERROR, text)


def error_line(identity: str | int | None, code: int, text: str) -> bytes:
    """Return the line of a protocol's error."""
    error = {"code": code, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()


def _told(block: ContentBlock) -> dict[str, Any]:
    if isinstance(block, TextContent) and block.annotations is None and block.meta is None:
        return {"type": "text", "text": block.text}  # the usual one, ten times as fast
    return block.model_dump(by_alias=True, mode="json", exclude_none=True)
