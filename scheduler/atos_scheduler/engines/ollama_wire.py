"""Ollama's wire format: request bodies, reply lines, names and errors. Pure."""

from __future__ import annotations

import json
import re
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
from atos_scheduler.engines.protocol import Chunk, ModelSpec, Request, ToolCall
from atos_scheduler.engines.schema import Schema

KEEP_ALIVE = "30m"
"""Longer than any pause of a running scheduler; short enough to free the GPU after one that crashed."""
NANO = 1e-9
NO_TEMPLATE = "{{ .Prompt }}"
"""The template of a model that was made without one, such as a base model."""


def full_name(model: str) -> str:
    """Return a model's name with its tag, as Ollama lists it."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def call(request: Request, spec: ModelSpec, schema: Schema | None) -> tuple[str, dict[str, Any]]:
    """Return route and body; every body repeats the frozen options, or Ollama would reload."""
    options = {
        **spec.options,
        **request.options,
        "num_ctx": spec.context,
        "num_predict": request.max_tokens,
        "stop": list(request.stop),
    }
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.seed is not None:
        options["seed"] = request.seed
    body: dict[str, Any] = {
        "model": spec.source or spec.name,
        "options": options,
        "stream": True,
        "keep_alive": KEEP_ALIVE,
        "truncate": False,  # a prompt that does not fit is an error, not a shorter prompt
        "shift": False,
    }
    if request.schema is not None:
        body["format"] = "json" if request.schema == "json" else schema
    if request.messages:
        # a last message of the assistant is a begun reply, which Ollama goes on with
        body |= {"messages": [_message(m) for m in request.messages], "think": False}
        return "/api/chat", body | ({"tools": list(request.tools)} if request.tools else {})
    return "/api/generate", body | {"prompt": request.prompt, "raw": True}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its calls as Ollama writes them: arguments are objects there."""
    if not (calls := message.get("tool_calls")):
        return message
    functions = [call["function"] for call in calls]
    read = [f | {"arguments": json.loads(f["arguments"] or "{}")} for f in functions]
    return message | {"tool_calls": [{"function": function} for function in read]}


def _calls(message: dict[str, Any]) -> tuple[ToolCall, ...]:
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    functions: list[dict[str, Any]] = [call.get("function", {}) for call in calls]
    return tuple(ToolCall(f.get("name", ""), f.get("arguments") or {}) for f in functions)


def chunk(line: str) -> Chunk:
    """Turn one line of a reply into a piece of it.

    Raises:
        AtosError: the line reports an error in the middle of the stream, or is not JSON.
    """
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError as error:
        message = f"Ollama sent a line that is not JSON: {line[:100]!r}"
        raise EngineError(message, next_step="Try again.") from error
    if "error" in found:
        raise failure(500, str(found["error"]))
    message = found.get("message", {})
    text, calls = found.get("response") or message.get("content", ""), _calls(message)
    if not found.get("done"):
        return Chunk(text, calls=calls)
    return Chunk(
        text,
        calls=calls,
        done=True,
        reason="length" if found.get("done_reason") == "length" else "stop",
        prompt_tokens=found.get("prompt_eval_count", 0),
        tokens=found.get("eval_count", 0),
        prompt_seconds=found.get("prompt_eval_duration", 0) * NANO,
        seconds=found.get("eval_duration", 0) * NANO,
    )


def is_cut_off(cause: BaseException | None) -> bool:
    """Tell whether what failed is the connection, and not what the server said over it."""
    return type(cause).__module__.partition(".")[0] == "httpx"  # which is imported late


def failure(status: int, text: str) -> AtosError:
    """Return the error class for an error reply of Ollama."""
    try:
        text = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        text = text[:500]
    if "context" in text and ("exceed" in text or "too long" in text):
        numbers = re.findall(r"\d+", text)
        counts = f" ({' against '.join(numbers[:2])} tokens)" if len(numbers) > 1 else ""
        message = f"the prompt is longer than the model's context{counts}: {text}"
        return ContextError(message, next_step="Shorten the prompt, or take a longer context.")
    if status == 404 or "not found" in text:
        return NoModelError(f"Ollama: {text}", next_step="Pull it with `ollama pull`.")
    kinds = {400: BadRequestError, 401: UnauthorizedError, 503: BusyError}
    return kinds.get(status, EngineError)(f"Ollama failed ({status}): {text}")
