"""Body of Anthropic's `/v1/messages`, and what it comes to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from atos_scheduler.gateway.answering import Asked, Sampling, ToolChoice
from atos_scheduler.gateway.ollama_bodies import called, tool_choice
from atos_scheduler.gateway.openai_bodies import chosen, schema_of
from atos_scheduler.gateway.options import refuse, settle
from atos_scheduler.gateway.requests import Lenient

Block = dict[str, Any]


class Message(Lenient):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    def neutral(self) -> list[dict[str, Any]]:
        """Return the messages as every engine is given them: results of tools are messages of their own."""
        if isinstance(self.content, str):
            return [{"role": self.role, "content": self.content}]
        results = [_result(block) for block in self.content if block.get("type") == "tool_result"]
        calls = [
            called(str(block.get("id")), str(block.get("name")), block.get("input") or {})
            for block in self.content
            if block.get("type") == "tool_use"
        ]
        text = block_text(self.content)
        said: dict[str, Any] = {"role": self.role, "content": text}
        said |= {"tool_calls": calls} if calls else {}
        return [*results, *([said] if text or calls or not results else [])]


class OutputConfig(Lenient):
    """What a reply is to look like."""

    format: dict[str, Any] | None = None
    """`{"type": "json_schema", "schema": ...}`."""


class MessagesBody(Lenient):
    """Body of `POST /v1/messages`."""

    model: str = Field(min_length=1, max_length=200)
    messages: list[Message] = Field(min_length=1)
    max_tokens: Annotated[int, Field(ge=1, le=1 << 24)]
    system: str | list[Block] | None = None
    stream: bool | None = False
    temperature: float | None = Field(default=None, ge=0, le=10)
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    output_config: OutputConfig | None = None

    def asked(self) -> Asked:
        """Return what the request comes to."""
        ignored = settle("/v1/messages", self.sent)
        system = self.system if isinstance(self.system, str) else block_text(self.system or [])
        messages = [{"role": "system", "content": system}] if system else []
        for message in self.messages:
            messages += message.neutral()
        options = {"top_p": self.top_p, "top_k": self.top_k}
        sampling = Sampling(
            self.max_tokens,
            self.temperature,
            stop=tuple(self.stop_sequences or ()),
            options={n: v for n, v in options.items() if v is not None},
        )
        return Asked(
            self.model,
            messages=tuple(messages),
            schema=schema_of((self.output_config or OutputConfig()).format, "output_config.format"),
            sampling=sampling,
            tools=self._tools(),
            stream=bool(self.stream),
            ignored=ignored,
        )

    def _tools(self) -> ToolChoice:
        offered = tool_choice([_function(tool) for tool in self.tools or []])
        wanted = self.tool_choice or {"type": "auto"}
        names = {"any": "required", "tool": {"name": wanted.get("name")}}
        choice = chosen(offered, names.get(str(wanted.get("type")), str(wanted.get("type"))))
        return replace(choice, single=bool(wanted.get("disable_parallel_tool_use")))


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        refuse(f"a tool of type {str(tool.get('type'))[:40]!r} is Anthropic's own", "tools")  # fmt: skip
    function = {"name": tool.get("name"), "description": tool.get("description", "")}
    return {"type": "function", "function": function | {"parameters": tool["input_schema"]}}


def _result(block: Block) -> dict[str, Any]:
    content: Any = block.get("content") or ""
    text = content if isinstance(content, str) else block_text(content)
    return {"role": "tool", "content": text, "tool_call_id": str(block.get("tool_use_id", ""))}


def block_text(blocks: list[Block]) -> str:
    """Return the text of blocks.

    Raises:
        UnsupportedError: one of them is an image or a document.
    """
    known = {"text", "tool_use", "tool_result", "thinking", "redacted_thinking"}
    for block in blocks:
        if block.get("type") not in known:
            refuse(f"a block of type {str(block.get('type'))[:40]!r} can't be read here: text only")  # fmt: skip
    return "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")


def estimated_tokens(asked: Asked) -> int:
    """Return about how many tokens a conversation has: a token is some four bytes of text."""
    texts = [json.dumps(message, ensure_ascii=False) for message in asked.messages]
    texts += [json.dumps(tool, ensure_ascii=False) for tool in asked.tools.tools]
    return sum(len(text.encode()) for text in texts) // 4


class CountBody(MessagesBody):
    """Body of `POST /v1/messages/count_tokens`."""

    max_tokens: Annotated[int, Field(ge=1)] = 1
