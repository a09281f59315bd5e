"""What the official conformance suite calls: its own tools, resources and prompts, by the names that it prescribes."""

from __future__ import annotations

import base64
import io
import json
import wave
import zlib
from collections.abc import Callable
from typing import Any

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.tools import FunctionTool
from mcp.types import (
    AudioContent,
    CompletionArgument,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
    "allOf": [{"anyOf": [{"required": ["name"]}, {"required": ["address"]}, {"type": "object"}]}],
    "if": {"required": ["name"]},
    "then": {"properties": {"name": {"type": "string"}}},
    "else": {"type": "object"},
}


MIRRORED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "priority": {"type": "string"},
    },
}


def png() -> bytes:
    """Return a picture of one red point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)

    header = (1).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    point = zlib.compress(b"\0\xff\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", point) + chunk(b"IEND", b"")
    )


def wav() -> bytes:
    """Return a sound of one silent sample."""
    held = io.BytesIO()
    with wave.open(held, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(44100)
        sound.writeframes(b"\0\0")
    return held.getvalue()


def image() -> ImageContent:
    """Return the picture as content."""
    return ImageContent(type="image", data=base64.b64encode(png()).decode(), mime_type="image/png")


def embedded(uri: str, text: str, kind: str = "text/plain") -> EmbeddedResource:
    """Return a text as an embedded resource."""
    held = TextResourceContents(uri=uri, mime_type=kind, text=text)
    return EmbeddedResource(type="resource", resource=held)


async def test_simple_text() -> str:
    """Say one sentence."""
    return "This is a simple text response for testing."


async def test_image_content() -> ImageContent:
    """Return a picture."""
    return image()


async def test_audio_content() -> AudioContent:
    """Return a sound."""
    data = base64.b64encode(wav()).decode()
    return AudioContent(type="audio", data=data, mime_type="audio/wav")


async def test_embedded_resource() -> list[EmbeddedResource]:
    """Return a resource inside the answer."""
    return [embedded("test://embedded-resource", "This is an embedded resource content.")]


async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Return text, a picture and a resource."""
    data = json.dumps({"test": "data", "value": 123})
    return [
        TextContent(type="text", text="Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", data, "application/json"),
    ]


async def test_error_handling() -> str:
    """Fail."""
    message = "This tool intentionally returns an error for testing"
    raise ToolError(message)


async def test_tool_with_logging(context: Context) -> str:
    """Log three lines."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.info(line)
    return "Logged."


async def test_logging_tool(context: Context) -> str:
    """Log a line, which who did not ask for must not be sent."""
    await context.info("A line of the log")
    return "Logged."


async def test_tool_with_progress(context: Context) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await context.report_progress(done, 100)
    return "Done."


async def json_schema_2020_12_tool(name: str = "", address: dict[str, Any] | None = None) -> str:
    """Take arguments that are described in JSON Schema 2020-12."""
    return f"{name} {address}"


async def static_text() -> str:
    """Return a text."""
    return "This is the content of the static text resource."


async def static_binary() -> bytes:
    """Return a picture."""
    return png()


async def header_mirror(region: str = "", priority: str = "") -> str:
    """Take arguments that a header repeats."""
    return f"region={region}, priority={priority}"


async def watched() -> str:
    """Return what may be subscribed to, where that exists."""
    return "Watched resource content."


async def template(id: str) -> str:
    """Return data of an id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


async def test_simple_prompt() -> str:
    """Say one sentence."""
    return "This is a simple prompt for testing."


async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Repeat two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:
    """Carry a resource."""
    text = "Embedded resource content for testing."
    return [Message(embedded(resourceUri, text)), Message("Please process the resource above.")]


async def test_prompt_with_image() -> list[Message]:
    """Carry a picture."""
    return [Message(image()), Message("Please analyze the image above.")]


def complete(ref: object, argument: CompletionArgument, context: object) -> list[str]:
    """Complete any argument."""
    del ref, context
    return [word for word in ("paris", "park", "party") if word.startswith(argument.value)]


TOOLS: tuple[Callable[..., Any], ...] = (
    test_simple_text, test_image_content, test_audio_content, test_embedded_resource,
    test_multiple_content_types, test_error_handling, test_tool_with_logging, test_logging_tool,
    test_tool_with_progress,
)  # fmt: skip
PROMPTS = (
    test_simple_prompt, test_prompt_with_arguments, test_prompt_with_embedded_resource,
    test_prompt_with_image,
)  # fmt: skip


def add_fixtures(server: FastMCP) -> None:
    """Add them to a server."""
    for tool in TOOLS:
        server.tool(tool, output_schema=None)
    described = FunctionTool.from_function(json_schema_2020_12_tool)
    server.add_tool(described.model_copy(update={"parameters": SCHEMA}))
    mirrored = FunctionTool.from_function(header_mirror)
    server.add_tool(mirrored.model_copy(update={"parameters": MIRRORED}))
    for uri, kind, read in (
        ("test://static-text", "text/plain", static_text),
        ("test://static-binary", "image/png", static_binary),
        ("test://watched-resource", "text/plain", watched),
        ("test://template/{id}/data", "application/json", template),
    ):
        server.resource(uri, mime_type=kind)(read)
    for prompt in PROMPTS:
        server.prompt(prompt)
    server.add_completion_handler(complete)
