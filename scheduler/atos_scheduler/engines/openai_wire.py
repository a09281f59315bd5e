"""The wire format of an OpenAI-compatible server: request bodies, events and errors. Pure."""

from __future__ import annotations

import json
from typing import Any

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    BusyError,
    ContextError,
    EngineError,
    NoModelError,
    UnauthorizedError,
)
from atos_scheduler.engines.protocol import Chunk, Embeddings, ModelSpec, Request, ToolCall
from atos_scheduler.engines.schema import Schema

OPTIONS = {"top_p", "presence_penalty", "frequency_penalty", "seed"}
"""Ollama's sampling options that this protocol has too."""
EXTENSIONS = ("chat_template_kwargs", "continue_final_message", "add_generation_prompt")
"""Fields of llama-server and vLLM that the protocol itself does not have."""


def call(
    request: Request, spec: ModelSpec, schema: Schema | None, *, plain: bool = False
) -> tuple[str, dict[str, Any]]:
    """Return route and body; a plain body has none of `EXTENSIONS`."""
    given = spec.options | request.options
    body: dict[str, Any] = {k: v for k, v in given.items() if k in OPTIONS}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body |= {
        "model": spec.source or spec.name,
        "max_tokens": request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body["tools"] = list(request.tools)
    if schema is not None:
        body["response_format"] = _format(request, schema)
    if request.messages:
        body |= {"messages": list(request.messages)} | ({} if plain else _extensions(request))
        return "/v1/chat/completions", body
    return "/v1/completions", body | {"prompt": request.prompt}


def _extensions(request: Request) -> dict[str, Any]:
    """Turn thinking off, and let the model go on with a reply that is begun."""
    found: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    if request.begun:
        found |= {"continue_final_message": True, "add_generation_prompt": False}
    return found


def refuses_extensions(error: AtosError) -> bool:
    """Tell whether a server refused a request because of a field of `EXTENSIONS`."""
    return error.status in (400, 422) and any(name in error.message for name in EXTENSIONS)


def _format(request: Request, schema: Schema) -> dict[str, Any]:
    if request.schema == "json":
        return {"type": "json_object"}
    wanted = {"name": "reply", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": wanted}


def vectors(found: dict[str, Any]) -> Embeddings:
    """Read the reply of `/v1/embeddings`."""
    rows = sorted(found["data"], key=lambda row: row["index"])
    tokens = found.get("usage", {}).get("prompt_tokens", 0)
    return Embeddings(tuple(tuple(row["embedding"]) for row in rows), tokens)


class Events:
    """Reads one stream of events: reason and usage come in different ones, and both end it."""

    def __init__(self) -> None:
        self._reason = ""
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, dict[str, str]] = {}
        """Tool calls, which come in pieces, by their index."""
        self._timings: dict[str, Any] = {}
        """What llama-server adds: milliseconds by part."""

    def read(self, line: str) -> Chunk | None:
        """Return the piece that a line carries, if it carries one.

        Raises:
            AtosError: the line reports an error in the middle of the stream, or is not JSON.
        """
        if not line.startswith("data:"):
            return None
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return self._last()
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError as error:
            message = f"the server sent a line that is not JSON: {data[:100]!r}"
            raise EngineError(message, next_step="Try again.") from error
        if "error" in found:
            raise failure(500, data)
        self._usage = found.get("usage") or self._usage
        self._timings = found.get("timings") or self._timings
        choices: list[dict[str, Any]] = found.get("choices") or []
        for choice in choices:
            self._reason = choice.get("finish_reason") or self._reason
            delta: dict[str, Any] = choice.get("delta") or {}
            pieces: list[dict[str, Any]] = delta.get("tool_calls") or []
            for piece in pieces:
                self._collect(piece)
            text = delta.get("content") or choice.get("text")
            if text:
                return Chunk(text)
        return None

    def _collect(self, piece: dict[str, Any]) -> None:
        call = self._calls.setdefault(piece.get("index", 0), {"name": "", "arguments": ""})
        function: dict[str, Any] = piece.get("function") or {}
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""

    def _called(self) -> tuple[ToolCall, ...]:
        try:
            return tuple(
                ToolCall(call["name"], json.loads(call["arguments"] or "{}"))
                for call in self._calls.values()
            )
        except ValueError as error:
            message = f"the model called a tool with arguments that are not JSON: {error}"
            raise EngineError(message, next_step="Ask again.") from error

    def _last(self) -> Chunk | None:
        if not self._reason:
            return None  # cut off: whoever reads finds no end
        details: dict[str, Any] = self._usage.get("prompt_tokens_details") or {}
        return Chunk(
            calls=self._called(),
            done=True,
            reason="length" if self._reason == "length" else "stop",
            prompt_tokens=self._usage.get("prompt_tokens", 0),
            reused_tokens=details.get("cached_tokens") or 0,
            prompt_seconds=self._timings.get("prompt_ms", 0.0) / 1000,
            tokens=self._usage.get("completion_tokens", 0),
            seconds=self._timings.get("predicted_ms", 0.0) / 1000,
        )


def failure(status: int, text: str) -> AtosError:
    """Return the error class for an error reply; its format differs between servers."""
    try:
        found: Any = json.loads(text)
        error: Any = found.get("error", found)
        reason = error if isinstance(error, str) else str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = text[:500]
    if status == 400 and "context" in reason:
        step = "Shorten the prompt, or take a model with a longer context."
        return ContextError(
            f"the prompt is longer than the model's context: {reason}", next_step=step
        )
    kinds: dict[int, type[AtosError]] = {
        400: BadRequestError, 401: UnauthorizedError, 403: UnauthorizedError, 404: NoModelError,
        422: BadRequestError, 429: BusyError, 503: BusyError,
    }  # fmt: skip
    return kinds.get(status, EngineError)(
        f"the OpenAI-compatible server failed ({status}): {reason}"
    )
