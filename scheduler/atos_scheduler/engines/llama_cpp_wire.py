"""The wire format of a llama.cpp server: request bodies, events and errors. Pure.

JSON goes through `/apply-template` and `/completion` with `json_schema`: the chat endpoint's parser fails
on non-ASCII output, and drops the grammar where it does not fail.
"""

from __future__ import annotations

import json
from typing import Any

from atos_protocol.errors import AtosError, BadRequestError, ContextError, EngineError
from atos_scheduler.engines.protocol import Chunk, ModelSpec, Request
from atos_scheduler.engines.schema import Schema

COMPACT: Schema = {"x-guidance": {"whitespace_flexible": False}}
"""Forbids blanks between JSON tokens: a weak model would emit them without end."""
TOLERANT: Schema = {
    "x-guidance": {"whitespace_flexible": False, "lenient": True, "coerce_one_of": True}
}
"""The same for schemas of other programs, with keywords that can't be enforced let pass."""
DEFAULTS = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "repeat_penalty": 1.1}
"""Ollama's, for whoever leaves the temperature open; GGUF files carry none."""
OPTIONS = {
    "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n",
    "presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau", "mirostat_eta", "seed",
}  # fmt: skip
"""Ollama's sampling options that llama.cpp knows under the same name."""


def conversation(request: Request) -> dict[str, Any]:
    """Return the body of `/apply-template`, with thinking off.

    A begun reply is left out: the template would end it, and some templates forbid one.
    """
    messages = request.messages[:-1] if request.begun else request.messages
    body: dict[str, Any] = {"messages": list(messages)}
    if request.tools:
        body["tools"] = list(request.tools)
    return body | {"chat_template_kwargs": {"enable_thinking": False}}


def completion(
    request: Request, prompt: str, spec: ModelSpec, slot: int, schema: Schema | None
) -> dict[str, Any]:
    """Return the body of `/completion`; what the request sets wins over the model's options."""
    body: dict[str, Any] = dict(DEFAULTS) if request.temperature is None else {}
    body |= {k: v for k, v in (spec.options | request.options).items() if k in OPTIONS}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body |= {
        "prompt": prompt,
        "n_predict": request.max_tokens,
        "stop": list(request.stop),
        "stream": True,
        "cache_prompt": True,
        "return_progress": True,  # a line per batch: llama.cpp sees only then that nobody reads any more
    }
    if spec.slots > 1:
        body["id_slot"] = slot  # a named slot is served without a look at the prompt cache
    if request.seed is not None:
        body["seed"] = request.seed
    if schema is not None:
        body["json_schema"] = schema | (COMPACT if request.strict else TOLERANT)
    return body


def event(line: str) -> dict[str, Any] | None:
    """Return the object that one line of the event stream carries; None for other lines.

    Raises:
        AtosError: the line reports an error in the middle of the stream.
    """
    kind, _, data = line.partition(":")
    if kind not in ("data", "error") or data.strip() in ("", "[DONE]"):
        return None
    try:
        found = json.loads(data)
    except ValueError as error:
        message = f"llama.cpp sent a line that is not JSON: {data[:100]!r}"
        raise EngineError(message, next_step="Try again.") from error
    if kind == "error" or "error" in found:
        raise failure(500, json.dumps(found.get("error", found)))
    return found


def is_progress(found: dict[str, Any]) -> bool:
    """Return whether an event only says how much of the prompt is read."""
    return "prompt_progress" in found and not found.get("content") and not found.get("stop")


def chunk(found: dict[str, Any]) -> Chunk:
    """Turn one event into a piece of the reply."""
    if not found.get("stop"):
        return Chunk(text=found.get("content", ""))
    timings = found.get("timings", {})
    cut = found.get("stop_type") == "limit" or bool(found.get("truncated"))
    return Chunk(
        text=found.get("content", ""),
        done=True,
        reason="length" if cut else "stop",
        prompt_tokens=found.get("tokens_evaluated", 0),
        reused_tokens=timings.get("cache_n", 0),
        tokens=found.get("tokens_predicted", 0),
        prompt_seconds=timings.get("prompt_ms", 0.0) / 1000,
        seconds=timings.get("predicted_ms", 0.0) / 1000,
    )


def failure(status: int, body: str) -> AtosError:
    """Return the error class for an error reply of llama.cpp."""
    try:
        found: Any = json.loads(body)
        error: Any = found.get("error", found)
        message, kind = str(error["message"]), str(error.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        error, message, kind = {}, body[:300], ""
    if kind == "exceed_context_size_error":
        text = (
            f"the prompt has {error.get('n_prompt_tokens')} tokens, "
            f"the model's context {error.get('n_ctx')}"
        )
        return ContextError(text, next_step="Shorten the prompt, or take a longer context.")
    if status == 400 or kind == "invalid_request_error":
        return BadRequestError(f"llama.cpp refused the request: {message}")
    return EngineError(f"llama.cpp failed ({status}): {message}", next_step="Try again.")
