"""Reads the calls of tools out of what a model writes. Pure.

Every family writes them in its own way, and small models in several. What is understood:

    <tool_call>{"name": ..., "arguments": {...}}</tool_call>     Qwen, Hermes
    <tools>{...}</tools>, a json fence, or the bare object       Qwen coder, Llama 3
    [TOOL_CALLS][{...}, ...]                                     Mistral
    <|python_tag|>{"name": ..., "parameters": {...}}             Llama 3

A text that does not turn out to be a call of an offered tool is passed on as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, cast

from atos_scheduler.engines.protocol import ToolCall

MARKS = ("<tool_call>", "<tools>", "[TOOL_CALLS]", "<|python_tag|>")
OPENINGS = ("{", "[", "```")
"""How a reply begins that may be a call without a mark."""
WRAPPING = re.compile(
    r"</?tool_call>|</?tools>|\[/?TOOL_CALLS\]|<\|python_tag\|>|```(?:json)?|<\|eom_id\|>|[\s;,]+"
)
DECODER = json.JSONDecoder()


class ToolCallReader:
    """Takes a reply in as it comes; tells what of it is text and, at its end, what it calls.

    Args:
        names: the tools that may be called.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held = ""
        self._begun = False
        """Whether something of the reply was passed on already."""
        self._marked = False

    def text(self, piece: str) -> str:
        """Take a piece in; return what is surely text."""
        self._held += piece
        if self._marked:
            return ""
        if not self._begun and self._may_open():
            return ""
        at = min((i for i in map(self._held.find, MARKS) if i >= 0), default=-1)
        self._marked = at >= 0
        sure = self._held[:at] if self._marked else self._held[: len(self._held) - self._overlap()]
        self._held = self._held[len(sure) :]
        self._begun = self._begun or bool(sure.strip())
        return sure

    def end(self) -> tuple[str, tuple[ToolCall, ...]]:
        """Return the rest of the text, and the calls."""
        rest, self._held = self._held, ""
        calls = tuple(read_calls(rest, self._names))
        return ("", calls) if calls else (rest, ())

    def _may_open(self) -> bool:
        start = self._held.lstrip()
        return not start or any(
            start.startswith(each) or each.startswith(start) for each in OPENINGS
        )

    def _overlap(self) -> int:
        """Return how many characters at the end may be the beginning of a mark."""
        return max(
            (n for mark in MARKS for n in range(1, len(mark)) if self._held.endswith(mark[:n])),
            default=0,
        )


def read_calls(text: str, names: Collection[str]) -> Iterator[ToolCall]:
    """Yield the calls of these tools that a text consists of; none if there is anything else in it."""
    found, at = list[ToolCall](), 0
    while True:
        while wrapped := WRAPPING.match(text, at):
            at = wrapped.end()
        if at >= len(text):
            yield from found
            return
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield from found  # what follows a call is chatter that nobody asked for
            return
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        calls = [_call(each, names) for each in values]
        if not calls or None in calls:
            return
        found += [call for call in calls if call is not None]


def _call(value: Any, names: Collection[str]) -> ToolCall | None:
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, Any]", value)
    if isinstance(function := found.get("function"), dict):
        found = cast("dict[str, Any]", function)
    arguments: Any = found.get("arguments", found.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    name = found.get("name")
    if name not in names or not isinstance(arguments, dict):
        return None
    return ToolCall(str(name), cast("dict[str, Any]", arguments))


def forced(tools: tuple[dict[str, Any], ...], name: str = "") -> dict[str, Any]:
    """Return the schema of a reply that can only be a call: of one tool, or of any of them."""
    choices: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"].get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
        if name in {"", tool["function"]["name"]}
    ]
    definitions: dict[str, Any] = {}
    for choice in choices:  # references are looked up from the root
        definitions |= choice["properties"]["arguments"].get("$defs", {})
    root = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return root | ({"$defs": definitions} if definitions else {})
