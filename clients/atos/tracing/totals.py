"""Numbers of a goal, summed over its spans: what Weights & Biases shows as metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from atos.tracing import genai_names as names
from atos.tracing.spans import Span

KINDS = ("task", "candidate", "model_call", "load", "sandbox_run", "wait")


def totals_of(spans: Sequence[Span]) -> dict[str, Any]:
    """Return counts, seconds and tokens by name: `model_call.seconds`, `tokens.output` and so on."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        mine = [span for span in spans if span.kind == kind]
        found[f"{kind}.count"] = len(mine)
        found[f"{kind}.failed"] = sum(bool(span.failed) for span in mine)
        found[f"{kind}.seconds"] = round(sum(span.end - span.start for span in mine), 3)
    calls = [span for span in spans if span.kind == "model_call"]
    found["tokens.input"] = sum(span.attributes[names.INPUT_TOKENS] for span in calls)
    found["tokens.output"] = sum(span.attributes[names.OUTPUT_TOKENS] for span in calls)
    for span in spans:
        if span.kind == "goal":
            found["goal.seconds"] = round(span.end - span.start, 3)
            found["goal.state"] = span.attributes.get(names.STATE, "")
    return found


def steps_of(spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
    """Yield, for every span by its end, how much there was until then: the lines of W&B's charts."""
    first = min((span.start for span in spans), default=0.0)
    ended: list[Span] = []
    for span in sorted(spans, key=lambda each: each.end):
        if span.kind in KINDS:
            ended.append(span)
            numbers = totals_of(ended)
            yield {
                "seconds": round(span.end - first, 3),
                **{name: value for name, value in numbers.items() if not isinstance(value, str)},
            }
