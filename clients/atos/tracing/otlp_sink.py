"""Spans over OTLP, by OpenTelemetry's own SDK: to Jaeger, Langfuse, Phoenix, a collector, or a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import requests
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from atos.tracing import genai_names as names
from atos.tracing.spans import Span
from atos_protocol.errors import UnreachableError
from atos_protocol.server_url import ServerUrl
from atos_protocol.versions import installed

SEND_SECONDS = 10.0
"""How long a receiver may take in all."""
KINDS = {"model_call": SpanKind.CLIENT, "sandbox_run": SpanKind.CLIENT}


def readable(spans: Sequence[Span]) -> list[ReadableSpan]:
    """Return spans as OpenTelemetry's exporters take them, with the ids that they have here."""
    resource = Resource({"service.name": "atos", "service.version": installed()}, names.CONVENTIONS)
    scope = InstrumentationScope("atos", installed(), names.CONVENTIONS)
    return [
        ReadableSpan(
            name=span.name,
            context=_context(span.trace, span.id),
            parent=_context(span.trace, span.parent) if span.parent else None,
            resource=resource,
            attributes={
                **span.attributes,
                **({names.ERROR_TYPE: span.failed} if span.failed else {}),
            },
            kind=KINDS.get(span.kind, SpanKind.INTERNAL),
            instrumentation_scope=scope,
            status=Status(StatusCode.ERROR, span.failed) if span.failed else Status(StatusCode.OK),
            start_time=round(span.start * 1e9),
            end_time=round(span.end * 1e9),
        )
        for span in spans
    ]


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(1))


def send(spans: Sequence[Span], endpoint: str) -> None:
    """Send spans to a receiver of OTLP over HTTP, `http://127.0.0.1:4318` for instance.

    `OTEL_EXPORTER_OTLP_HEADERS` may name headers, such as a key.

    Raises:
        UnreachableError: it did not take them within `SEND_SECONDS`.
    """
    address = endpoint.rstrip("/")
    if not address.endswith("/v1/traces"):
        address += "/v1/traces"
    session = session_for(address)
    export(
        OTLPSpanExporter(endpoint=address, timeout=SEND_SECONDS, session=session), spans, endpoint
    )


def session_for(address: str) -> requests.Session | None:
    """Return a session without the environment's proxies for what stays on this machine; None: the exporter's own."""
    if not ServerUrl(address).is_loopback:
        return None
    session = requests.Session()
    session.trust_env = False
    return session


def export(exporter: SpanExporter, spans: Sequence[Span], where: str) -> None:
    """Have an exporter send spans.

    Raises:
        UnreachableError: it could not.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # the error below says it once
    try:
        result = exporter.export(readable(spans))
    finally:
        exporter.shutdown()
    if result is not SpanExportResult.SUCCESS:
        message = f"{where} did not take the trace ({len(spans)} spans) within {SEND_SECONDS:.0f} s"
        raise UnreachableError(
            message, next_step="Is it up? The goal is kept: send it again later."
        )


def write(spans: Sequence[Span], path: Path) -> None:
    """Write spans as OTLP's bytes, as a receiver would get them."""
    path.write_bytes(encode_spans(readable(spans)).SerializeToString())
