"""What becomes of every field and option that a client may send: one table, which the routes obey.

`docs/gateway.md` shows it, and a test holds the two, and the bodies in the code, to each other. Nothing
is ignored in silence: what has no effect is named in the reply's header `x-atos-ignored`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from atos_protocol.errors import UnsupportedError

Fate = Literal["honoured", "mapped", "refused", "no effect"]
IGNORED_HEADER = "x-atos-ignored"
NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Option:
    """One field of a request."""

    name: str
    fate: Fate
    note: str = ""
    harmless: tuple[Any, ...] = (None,)
    """Of a refused one: the values that ask for nothing."""


def _all(fate: Fate, *names: str, note: str = "") -> tuple[Option, ...]:
    return tuple(Option(name, fate, note) for name in names)


def _refused(name: str, note: str, *harmless: Any) -> Option:
    return Option(name, "refused", note, (None, *harmless))


PLACEMENT = "the scheduler places models"
OURS = "kept by nobody here"
ONE = "one reply a request"
FALSE = (False,)
NO_IMAGES = "no engine here reads images yet"
NO_LOGPROBS = "no engine reports them"

SAMPLING = (
    Option("num_ctx", "mapped", "up to the model's own context; above it a variant, if it fits"),
    *_all("honoured", "num_predict", note="-1 and -2: to the end of the context"),
    *_all("honoured", "temperature", "seed", "stop", "top_k", "top_p", "min_p", "typical_p"),
    *_all("honoured", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty"),
    *_all("honoured", "mirostat", "mirostat_tau", "mirostat_eta"),
    *_all("no effect", "num_gpu", "main_gpu", "num_thread", "num_batch", note=PLACEMENT),
    *_all("no effect", "use_mmap", "use_mlock", "low_vram", "numa", "f16_kv", note=PLACEMENT),
    *_all("no effect", "num_keep", note="a prompt is never cut"),
    *_all("no effect", "tfs_z", "penalize_newline", "vocab_only", note="Ollama dropped them too"),
)
"""Ollama's `options`."""

_OLLAMA = (
    *_all("honoured", "model", "stream", "format", "options"),
    Option("keep_alive", "mapped", "advice; 0 unloads the model once its requests are over"),
    _refused("think", "no model is asked to think aloud", *FALSE),
    _refused("logprobs", NO_LOGPROBS, *FALSE),
    _refused("top_logprobs", NO_LOGPROBS, 0),
    Option("truncate", "mapped", "a prompt that does not fit is an error with numbers"),
    Option("shift", "mapped", "a reply ends with its context (`length`)"),
)
_OPENAI = (
    *_all("honoured", "model", "stream", "stream_options", "temperature", "top_p", "seed", "stop"),
    *_all("honoured", "max_tokens", "presence_penalty", "frequency_penalty"),
    *_all("honoured", "top_k", "min_p", "repeat_penalty", note="extension, as llama-server has it"),
    Option("num_ctx", "mapped", "extension: as in Ollama's `options`"),
    _refused("n", ONE, 1),
    _refused("logit_bias", "no engine is given one", {}),
    *_all("no effect", "user", "metadata", "store", "service_tier", note=OURS),
    *_all("no effect", "safety_identifier", "prompt_cache_key", note=OURS),
)
ROUTES: dict[str, tuple[Option, ...]] = {
    "/api/chat": (*_OLLAMA, *_all("honoured", "messages", "tools")),
    "/api/generate": (
        *_OLLAMA,
        *_all("honoured", "prompt", "system", "raw"),
        Option("suffix", "honoured", "for models that fill in the middle"),
        _refused("template", "prompts are rendered by the model's own", ""),
        _refused("images", NO_IMAGES, []),
        _refused("context", "send the conversation to `/api/chat`", []),
    ),
    "/api/embed": (
        *_all("honoured", "model", "input"),
        Option("dimensions", "mapped", "vectors are cut, and made length 1 again"),
        Option("truncate", "mapped", "a text that does not fit is an error"),
        Option("keep_alive", "mapped", "advice"),
        *_all("no effect", "options", note="nothing is drawn"),
    ),
    "/api/embeddings": (
        *_all("honoured", "model", "prompt"),
        Option("keep_alive", "mapped", "advice"),
        *_all("no effect", "options", note="nothing is drawn"),
    ),
    "/v1/chat/completions": (
        *_OPENAI,
        *_all("honoured", "messages", "tools", "tool_choice", "response_format"),
        Option("max_completion_tokens", "honoured", "wins over `max_tokens`"),
        Option("parallel_tool_calls", "mapped", "false: only the first call is handed over"),
        _refused("logprobs", NO_LOGPROBS, *FALSE),
        _refused("top_logprobs", NO_LOGPROBS, 0),
        _refused("audio", "text only"),
        _refused("modalities", "text only", ["text"]),
        _refused("functions", "use `tools`", []),
        _refused("function_call", "use `tool_choice`", "none", "auto"),
        _refused("web_search_options", "there is no search here"),
        *_all(
            "no effect", "reasoning_effort", "verbosity", "prediction", note="models don't think"
        ),
    ),
    "/v1/completions": (
        *_OPENAI,
        Option("prompt", "honoured", "one text; lists of one"),
        Option("suffix", "honoured", "for models that fill in the middle"),
        *_all("honoured", "echo"),
        _refused("best_of", ONE, 1),
        _refused("logprobs", NO_LOGPROBS, 0, False),
    ),
    "/v1/embeddings": (
        *_all("honoured", "model", "input", "encoding_format"),
        Option("dimensions", "mapped", "vectors are cut, and made length 1 again"),
        *_all("no effect", "user", note=OURS),
    ),
    "/v1/responses": (
        *_all("honoured", "model", "input", "instructions", "stream", "temperature", "top_p"),
        *_all("honoured", "max_output_tokens", "tools", "tool_choice", "text"),
        Option("parallel_tool_calls", "mapped", "false: only the first call is handed over"),
        _refused("previous_response_id", "responses are not kept: send the conversation"),
        _refused("conversation", "conversations are not kept"),
        _refused("background", "there is no polling", *FALSE),
        _refused("prompt", "stored prompts are OpenAI's"),
        _refused("max_tool_calls", "the client calls the tools"),
        _refused("top_logprobs", NO_LOGPROBS, 0),
        Option("truncation", "mapped", "always `disabled`"),
        *_all("no effect", "include", "reasoning", "stream_options", note="there is nothing of it"),
        *_all("no effect", "user", "metadata", "store", "service_tier", note=OURS),
        *_all("no effect", "safety_identifier", "prompt_cache_key", note=OURS),
    ),
    "/v1/messages": (
        *_all("honoured", "model", "messages", "system", "stream", "max_tokens", "temperature"),
        *_all("honoured", "top_p", "top_k", "stop_sequences", "tools"),
        Option("tool_choice", "honoured", "`disable_parallel_tool_use`: only the first call"),
        Option("output_config", "honoured", "`format`: a JSON schema; other keys have no effect"),
        Option("thinking", "mapped", "always off"),
        _refused("mcp_servers", "the client calls the tools", []),
        _refused("container", "there is none here"),
        *_all("no effect", "metadata", "service_tier", "context_management", note=OURS),
    ),
    "options": SAMPLING,
}
"""Route -> fields of its body; `options` are those within Ollama's `options`."""


def settle(route: str, sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of those fields that have no effect.

    Raises:
        UnsupportedError: one asks for what can't be had.
    """
    known = {option.name: option for option in ROUTES[route]}
    for name, value in sent.items():
        option = known.get(name)
        if option and option.fate == "refused" and value not in option.harmless:
            refuse(f"{name} is not supported by {route} here: {option.note}", name)
    return tuple(n for n in sent if n not in known or known[n].fate == "no effect")


def refuse(message: str, field: str = "") -> NoReturn:
    """Refuse a request that asks for what nothing here can do; it is the client's to change.

    Raises:
        UnsupportedError: always, with status 400.
    """
    step = f"Leave {field} out." if field else ""
    error = UnsupportedError(message, next_step=step, data={"field": field} if field else None)
    error.status = 400
    raise error


def ignored_header(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the header that names what had no effect, if anything did."""
    plain = [n for n in names if n.isascii() and n.isprintable()][:NAMES_SHOWN]
    return ((IGNORED_HEADER, ", ".join(plain)),) if plain else ()


def table() -> str:
    """Return what becomes of every field, as `docs/gateway.md` shows it."""
    rows = ["| route | field | | |", "|---|---|---|---|"]
    for route, options in ROUTES.items():
        rows += [f"| `{route}` | `{o.name}` | {o.fate} | {o.note} |" for o in options]
    return "\n".join(rows)
