"""Where a trace may go, as a person names it; the package for it is imported only when something is sent there.

otlp:http://127.0.0.1:4318   any receiver of OTLP over HTTP (Jaeger, Langfuse, Phoenix, a collector)
langsmith[:PROJECT]          LangSmith, with the key of LANGSMITH_API_KEY
wandb[:online]               Weights & Biases: a run in ~/.atos/wandb, to be sent by `wandb sync`
file:PATH                    a file: OTLP's bytes, or JSON where the name ends in .json (which needs no package)
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos.tracing.spans import Span
from atos_protocol.errors import BadRequestError, UnsupportedError
from atos_protocol.redaction import redacted
from atos_protocol.settings import Settings

SHOWN = "otlp:URL, langsmith[:PROJECT], wandb[:online] or file:PATH"


def send(spans: Sequence[Span], goal: str, to: str, settings: Settings) -> str:
    """Send a goal's spans; return a line that says where they are.

    Raises:
        BadRequestError: there is no such destination.
        UnsupportedError: the package for it is not installed.
        UnreachableError: the destination did not take them.
    """
    kind, _, rest = to.partition(":")
    if kind in {"otlp", "http", "https"} and rest:
        endpoint = rest if kind == "otlp" else to
        _endpoint(endpoint)
        _module("otlp").send(spans, endpoint)
        return f"{len(spans)} spans sent to {redacted(endpoint)}"
    if kind == "langsmith":
        _module("langsmith").send(spans, rest)
        return f"{len(spans)} spans sent to LangSmith"
    if kind == "wandb" and rest in {"", "offline", "online"}:
        folder = _module("wandb").send(spans, goal, settings.home / "wandb", rest or "offline")
        return f"run {folder}" + ("" if rest == "online" else f"\nsend it: wandb sync {folder}")
    if kind == "file" and rest:
        return _write(spans, Path(rest).expanduser())
    message = f"{to[:80]!r} is no place for a trace"
    raise BadRequestError(message, next_step=f"Write {SHOWN}.")


def _endpoint(endpoint: str) -> None:
    if not endpoint.startswith(("http://", "https://")):
        message = f"{endpoint[:80]!r} is no http address"
        raise BadRequestError(message, next_step="Write otlp:http://127.0.0.1:4318, for instance.")


def _write(spans: Sequence[Span], path: Path) -> str:
    if path.suffix == ".json":
        path.write_text(json.dumps([asdict(span) for span in spans], indent=1), encoding="utf-8")
    else:
        _module("otlp").write(spans, path)
    return f"{len(spans)} spans in {path}"


def _module(extra: str) -> Any:
    try:
        return importlib.import_module(f"atos.tracing.{extra}_sink")
    except ImportError as error:
        message = f"traces can't go there yet: {error}"
        raise UnsupportedError(message, next_step=f"pip install 'atos[{extra}]'") from error
