"""Bodies of Ollama's routes, and what they come to."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from atos_protocol.errors import BadRequestError
from atos_scheduler.gateway.answering import Asked, Sampling, ToolChoice
from atos_scheduler.gateway.options import refuse, settle
from atos_scheduler.gateway.requests import Lenient, keep_alive_seconds

Tokens = Annotated[int, Field(ge=-2, le=1 << 24)]
Name = Annotated[str, Field(max_length=200)]


class Options(Lenient):
    """The options that a request may set; how a model is loaded is not among them."""

    num_ctx: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    num_predict: Tokens | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    seed: int | None = None
    stop: list[str] | str | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None

    def sampling(self) -> Sampling:
        """Return how the reply is drawn."""
        apart = {"num_ctx", "num_predict", "temperature", "seed", "stop"}
        known = set(Options.model_fields) - apart
        return Sampling(
            max_tokens=self.num_predict if (self.num_predict or 0) > 0 else None,
            temperature=self.temperature,
            seed=None if self.seed is None or self.seed < 0 else self.seed,
            stop=stops(self.stop),
            options={n: v for n, v in self.sent.items() if n in known and v is not None},
        )


class CalledFunction(Lenient):
    """What an assistant called."""

    name: str = ""
    arguments: dict[str, Any] | str = ""


class Called(Lenient):
    """One call in a message of the assistant."""

    id: str = ""
    function: CalledFunction = CalledFunction()


class Message(Lenient):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = ""
    images: list[str] | None = None
    tool_calls: list[Called] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None

    def neutral(self, model: str) -> dict[str, Any]:
        """Return the message as every engine is given it."""
        if self.images:
            refuse(f'"{model}" does not support images', "images")
        role = "system" if self.role == "developer" else self.role
        found: dict[str, Any] = {"role": role, "content": self.content or ""}
        if self.tool_calls:
            found["tool_calls"] = [
                called(c.id or f"call_{i}", c.function.name, c.function.arguments)
                for i, c in enumerate(self.tool_calls)
            ]
        if role == "tool":
            found |= {"tool_call_id": self.tool_call_id or "call_0", "name": self.tool_name or ""}
        return found


class Generation(Lenient):
    """What chat and generate have in common."""

    model: str = Field(min_length=1, max_length=200)
    stream: bool | None = True
    format: dict[str, Any] | Literal["json", ""] | None = None
    options: Options | None = None
    keep_alive: float | str | None = None

    def asked(self, route: str) -> Asked:
        """Return what both come to; the text is the route's."""
        options = self.options or Options()
        ignored = [*settle(route, self.sent), *settle("options", options.sent)]
        return Asked(
            model=self.model,
            schema=self.format or None,
            sampling=options.sampling(),
            stream=self.stream is not False,
            context=options.num_ctx or 0,
            unload=keep_alive_seconds(self.keep_alive) == 0,
            ignored=tuple(ignored),
        )


class ChatBody(Generation):
    """Body of `POST /api/chat`."""

    messages: list[Message] | None = None
    tools: list[dict[str, Any]] | None = None


class GenerateBody(Generation):
    """Body of `POST /api/generate`."""

    prompt: str | None = ""
    system: str | None = ""
    raw: bool | None = False
    suffix: str | None = ""


class EmbedBody(Lenient):
    """Body of `POST /api/embed`."""

    model: str = Field(min_length=1, max_length=200)
    input: list[str] | str
    dimensions: Annotated[int, Field(ge=1)] | None = None
    keep_alive: float | str | None = None


class EmbeddingsBody(Lenient):
    """Body of `POST /api/embeddings`, which is Ollama's older route."""

    model: str = Field(min_length=1, max_length=200)
    prompt: str = ""
    keep_alive: float | str | None = None


class ModelBody(Lenient):
    """Body of the routes about one model; older clients call the field `name`."""

    model: Name = ""
    name: Name = ""
    stream: bool | None = True

    def named(self) -> str:
        """Return the model's name.

        Raises:
            BadRequestError: there is none.
        """
        if not (name := self.model or self.name):
            message = "model is required"
            raise BadRequestError(message)
        return name


def called(call_id: str, name: str, arguments: dict[str, Any] | str) -> dict[str, Any]:
    """Return a call as messages carry it on; arguments are JSON text there."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def stops(given: list[str] | str | None) -> tuple[str, ...]:
    """Return the texts that end a reply."""
    return (given,) if isinstance(given, str) else tuple(given or ())


def tool_choice(tools: list[dict[str, Any]] | None) -> ToolChoice:
    """Return the tools of a request in OpenAI's form.

    Raises:
        UnsupportedError: one of them is no function.
    """
    found = tuple(tools or ())
    for tool in found:
        function: Any = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):  # pyright: ignore[reportUnknownMemberType]
            refuse("only tools with a `function` that has a `name` are known", "tools")
    return ToolChoice(found)
