"""The suite's tools that ask their caller by requests of their own (2025-11-25), and the one whose stream breaks off."""

from __future__ import annotations

import json
from typing import Any

import anyio
from fastmcp import Context, FastMCP
from mcp.types import ElicitResult, SamplingMessage, TextContent

from conformance.fixture_questions import fields_schema

DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}
OPTIONS = ["option1", "option2", "option3"]


def titled(*titles: str) -> list[dict[str, str]]:
    """Return values and what people read of them."""
    return [
        {"const": f"value{number}", "title": title} for number, title in enumerate(titles, start=1)
    ]


ENUMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {
            "type": "string",
            "oneOf": titled("First Option", "Second Option", "Third Option"),
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": titled("First Choice", "Second Choice", "Third Choice")},
        },
    },
}


async def ask(context: Context, message: str, schema: dict[str, Any]) -> ElicitResult:
    """Ask the client's person."""
    return await context.session.elicit(message, schema, context.request_id)


async def test_sampling(prompt: str, context: Context) -> str:
    """Ask the client's model."""
    said = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    reply = await context.session.create_message(  # pyright: ignore[reportDeprecated]
        [said], max_tokens=100, related_request_id=context.request_id
    )
    return f"LLM response: {getattr(reply.content, 'text', reply.content)}"


async def test_elicitation(message: str, context: Context) -> str:
    """Ask for a name and an address."""
    reply = await ask(context, message, fields_schema(username="string", email="string"))
    return f"User response: action={reply.action}, content={json.dumps(reply.content)}"


async def test_elicitation_sep1034_defaults(context: Context) -> str:
    """Ask with a default for each kind of field."""
    return completed(await ask(context, "Check these values", DEFAULTS))


async def test_elicitation_sep1330_enums(context: Context) -> str:
    """Ask with each kind of choice."""
    return completed(await ask(context, "Choose", ENUMS))


def completed(reply: ElicitResult) -> str:
    """Return what a tool says of an answer."""
    return f"Elicitation completed: action={reply.action}, content={json.dumps(reply.content)}"


async def test_reconnection(context: Context) -> str:
    """Close the stream in the middle; the answer waits for who comes back."""
    await context.close_sse_stream()
    await anyio.sleep(0.1)
    return "Reconnection test completed successfully"


TOOLS = (
    test_sampling, test_elicitation, test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums, test_reconnection,
)  # fmt: skip


def add_requests(server: FastMCP) -> None:
    """Add them to a server."""
    for tool in TOOLS:
        server.tool(tool, output_schema=None)
