"""Bodies of OpenAI's routes, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError

from atos_protocol.errors import BadRequestError
from atos_scheduler.gateway.answering import Asked, Sampling, ToolChoice
from atos_scheduler.gateway.ollama_bodies import called, stops, tool_choice
from atos_scheduler.gateway.options import refuse, settle
from atos_scheduler.gateway.requests import Lenient, bad_body

Tokens = Annotated[int, Field(ge=1, le=1 << 24)]
Part = dict[str, Any]
TEXTS = {"text", "input_text", "output_text", "refusal"}
DRAWN = {
    "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
}  # fmt: skip


class Message(Lenient):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    def neutral(self) -> dict[str, Any]:
        """Return the message as every engine is given it."""
        roles = {"developer": "system", "function": "tool"}
        found: dict[str, Any] = {
            "role": roles.get(self.role, self.role),
            "content": plain_text(self.content),
        }
        if self.tool_calls:
            found["tool_calls"] = [
                called(
                    str(call.get("id", "")),
                    str(call.get("function", {}).get("name", "")),
                    call.get("function", {}).get("arguments", {}),
                )
                for call in self.tool_calls
            ]
        if found["role"] == "tool":
            found |= {"tool_call_id": self.tool_call_id or "", "name": self.name or ""}
        return found


def plain_text(content: str | list[Part] | None) -> str:
    """Return the text of a message's content, whose parts may only be texts.

    Raises:
        UnsupportedError: a part is an image, a sound or a file.
    """
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.get("type", "text") not in TEXTS:
            refuse(f"a content part of type {str(part.get('type'))[:40]!r} can't be read here: text only")  # fmt: skip
    return "\n".join(str(part.get("text", part.get("refusal", ""))) for part in content)


class StreamOptions(Lenient):
    """What a stream is to contain."""

    include_usage: bool | None = False


class Completion(Lenient):
    """What chat and text completions have in common."""

    model: str = Field(min_length=1, max_length=200)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | str | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    num_ctx: Tokens | None = None

    @property
    def usage_at_end(self) -> bool:
        """Whether a stream ends with the counters."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def _asked(self, route: str, max_tokens: int | None = None) -> Asked:
        drawn = {n: v for n, v in self.sent.items() if n in DRAWN and v is not None}
        sampling = Sampling(
            max_tokens or self.max_tokens, self.temperature, self.seed, stops(self.stop), drawn
        )
        return Asked(
            self.model,
            sampling=sampling,
            stream=bool(self.stream),
            context=self.num_ctx or 0,
            ignored=settle(route, self.sent),
        )


class ChatCompletionBody(Completion):
    """Body of `POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = True
    response_format: dict[str, Any] | None = None
    max_completion_tokens: Tokens | None = None

    def asked(self) -> Asked:
        """Return what the request comes to."""
        base = self._asked("/v1/chat/completions", self.max_completion_tokens)
        choice = chosen(tool_choice(self.tools), self.tool_choice)
        return replace(
            base,
            messages=tuple(message.neutral() for message in self.messages),
            schema=schema_of(self.response_format),
            tools=replace(choice, single=self.parallel_tool_calls is False),
        )


class TextCompletionBody(Completion):
    """Body of `POST /v1/completions`."""

    prompt: str | list[str]
    suffix: str | None = None
    echo: bool | None = False

    def asked(self) -> Asked:
        """Return what the request comes to.

        Raises:
            UnsupportedError: it has several prompts.
        """
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if len(prompts) != 1:
            refuse(f"{len(prompts)} prompts in one request: send one each")
        base = self._asked("/v1/completions")
        return replace(base, prompt=prompts[0], suffix=self.suffix or "")


class EmbeddingBody(Lenient):
    """Body of `POST /v1/embeddings`."""

    model: str = Field(min_length=1, max_length=200)
    input: list[str] | str
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Tokens | None = None


class ResponsesBody(Lenient):
    """Body of `POST /v1/responses`."""

    model: str = Field(min_length=1, max_length=200)
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = False
    temperature: float | None = Field(default=None, ge=0, le=10)
    top_p: float | None = None
    max_output_tokens: Tokens | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = True
    text: dict[str, Any] | None = None

    def asked(self) -> Asked:
        """Return what the request comes to."""
        ignored = settle("/v1/responses", self.sent)
        options = {"top_p": self.top_p} if self.top_p is not None else {}
        choice = chosen(tool_choice(self._functions()), self.tool_choice)
        wanted: Any = (self.text or {}).get("format")
        return Asked(
            self.model,
            messages=tuple(self._messages()),
            schema=schema_of(wanted),
            sampling=Sampling(self.max_output_tokens, self.temperature, options=options),
            tools=replace(choice, single=self.parallel_tool_calls is False),
            stream=bool(self.stream),
            ignored=ignored,
        )

    def _functions(self) -> list[dict[str, Any]]:
        for tool in self.tools or []:
            if tool.get("type") != "function":
                refuse(f"a tool of type {str(tool.get('type'))[:40]!r} is OpenAI's own", "tools")  # fmt: skip
        return [
            {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
            for tool in self.tools or []
        ]

    def _messages(self) -> list[dict[str, Any]]:
        found = list[dict[str, Any]]()
        if self.instructions:
            found.append({"role": "system", "content": self.instructions})
        items = self.input
        if isinstance(items, str):
            return [*found, {"role": "user", "content": items}]
        for item in items:
            found += _item(item)
        return found

    def repeated(self) -> dict[str, Any]:
        """Return the fields that a response repeats."""
        return {
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": {},
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "previous_response_id": None,
            "temperature": self.temperature,
            "text": self.text or {"format": {"type": "text"}},
            "tool_choice": self.tool_choice or "auto",
            "tools": self.tools or [],
            "top_p": self.top_p,
            "truncation": "disabled",
        }


def _item(item: dict[str, Any]) -> list[dict[str, Any]]:
    match item.get("type", "message"):
        case "message":
            try:
                return [Message.model_validate({"role": "user", **item}).neutral()]
            except ValidationError as error:
                raise bad_body(error) from error
        case "function_call":
            call = called(str(item.get("call_id")), str(item.get("name")), item.get("arguments", ""))  # fmt: skip
            return [{"role": "assistant", "content": "", "tool_calls": [call]}]
        case "function_call_output":
            output: Any = item.get("output", "")
            text = plain_text(output)
            return [{"role": "tool", "content": text, "tool_call_id": str(item.get("call_id"))}]
        case "reasoning":
            return []
        case other:
            refuse(f"an input item of type {str(other)[:40]!r} can't be read here")


def schema_of(wanted: dict[str, Any] | None, field: str = "response_format") -> Any:
    """Return the schema that a reply's format asks for; None for plain text.

    Args:
        wanted: the format, as OpenAI's and Anthropic's clients send it.
        field: what it is called in the request, for the error.

    Raises:
        BadRequestError: it is of no known type.
    """
    asked = wanted or {}
    kind = str(asked.get("type", "text"))
    if kind in ("text", "json_object"):
        return "json" if kind == "json_object" else None
    held: Any = asked.get("json_schema", asked)
    if kind == "json_schema" and isinstance(held, dict):
        schema = cast("dict[str, Any]", held).get("schema")
        if isinstance(schema, dict):
            return cast("dict[str, Any]", schema)
    message = f"{field}: {str(wanted)[:80]} is of no known type"
    raise BadRequestError(message, next_step="Use text, json_object or json_schema.")


def chosen(choice: ToolChoice, wanted: str | dict[str, Any] | None) -> ToolChoice:
    """Return which tools may or must be called.

    Raises:
        BadRequestError: the one that must be called is not offered.
    """
    if wanted in (None, "auto") or not choice.tools:
        return choice
    if wanted == "none":
        return ToolChoice()
    if wanted == "required":
        return replace(choice, forced=True)
    found: Any = wanted.get("function", wanted) if isinstance(wanted, dict) else {}
    name = str(found.get("name", ""))
    if name not in {tool["function"]["name"] for tool in choice.tools}:
        message = f"tool_choice: {str(wanted)[:80]!r} names none of the tools"
        raise BadRequestError(message, next_step="Name one of them, or use auto or required.")
    return replace(choice, forced=True, name=name)
