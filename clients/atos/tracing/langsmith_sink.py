"""Spans to LangSmith, by the OTLP exporter of its own package: key, project and address are those of its settings.

Over OTLP and not by its run client: one form for all receivers, times and ids as they were, and no thread that stays.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from atos.tracing.otlp_sink import SEND_SECONDS, export, session_for
from atos.tracing.spans import Span
from atos_protocol.errors import BadConfigError
from atos_protocol.redaction import learn

PACKAGE = "langsmith.integrations.otel.processor"


def send(spans: Sequence[Span], project: str = "") -> None:
    """Send spans to the project that is named, else to that of `LANGSMITH_PROJECT`.

    Raises:
        BadConfigError: `LANGSMITH_API_KEY` is not set.
        UnreachableError: LangSmith did not take them.
    """
    key = os.environ.get("LANGSMITH_API_KEY", "")
    if not key:
        message = "LANGSMITH_API_KEY is not set"
        raise BadConfigError(message, next_step="LangSmith's settings page makes a key; export it.")
    learn([key])
    theirs: Any = importlib.import_module(PACKAGE)  # it has no types
    session = session_for(os.environ.get("LANGSMITH_ENDPOINT", ""))
    exporter = theirs.OtelExporter(project=project or None, timeout=SEND_SECONDS, session=session)
    export(exporter, spans, "LangSmith")
