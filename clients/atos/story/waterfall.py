"""Where a goal's time went, span by span: for a terminal, and as SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from atos.tracing.spans import Span
from atos_protocol.printable import printable

MARKS = {
    "goal": "━",
    "task": "─",
    "candidate": "·",
    "model_call": "█",
    "load": "▓",
    "sandbox_run": "▒",
    "wait": "░",
}
COLOURS = {
    "goal": "#78909c", "task": "#90a4ae", "candidate": "#b0bec5", "model_call": "#00897b", "load": "#8e24aa",
    "sandbox_run": "#fb8c00", "wait": "#c62828",
}  # fmt: skip
LEGEND = {"model_call": "model", "load": "load", "sandbox_run": "sandbox", "wait": "wait"}
DEPTH = {"goal": 0, "task": 1, "candidate": 2}
LEAST_WIDTH = 60
LABEL_WIDTH = 26
SECONDS_WIDTH = 9
MOST_ROWS = 400
"""Rows of a picture; what is shortest is left out beyond it, and counted."""
ROW, LEFT, WIDTH = 18, 210, 980
"""Pixels: height of a row, where bars begin, width of all."""


def ordered(spans: Sequence[Span]) -> list[Span]:
    """Return spans as a tree is read: each one followed by its parts, by their begin."""
    parts: dict[str, list[Span]] = {}
    known = {span.id for span in spans}
    for span in sorted(spans, key=lambda each: (each.start, each.seq)):
        parts.setdefault(span.parent if span.parent in known else "", []).append(span)
    found: list[Span] = []
    todo = list(reversed(parts.get("", [])))
    while todo:
        span = todo.pop()
        found.append(span)
        todo += reversed(parts.get(span.id, []))
    return found


def longest(spans: Sequence[Span], most: int) -> tuple[list[Span], int]:
    """Return as many spans as fit, in their order: goal and tasks, then what took longest; and how many were left out."""
    rank = sorted(spans, key=lambda span: (DEPTH.get(span.kind, 2) > 1, span.start - span.end))
    kept = {span.id for span in rank[:most]}
    return [span for span in spans if span.id in kept], max(0, len(spans) - most)


def terminal_lines(spans: Sequence[Span], width: int, most: int = 40) -> list[str]:
    """Return a waterfall of `width` columns at most, one line for each of the longest spans."""
    if not spans:
        return []
    shown, left_out = longest(ordered(spans), most)
    first, whole = _scale(spans)
    bar = max(LEAST_WIDTH, width) - LABEL_WIDTH - SECONDS_WIDTH
    lines = [
        f"{_label(span, LABEL_WIDTH - 1)} {_bar(span, first, whole, bar)}{span.end - span.start:7.1f} s"
        for span in shown
    ]
    told = ", ".join(f"{MARKS[kind]} {name}" for kind, name in LEGEND.items())
    more = [f"and {left_out} shorter ones"] if left_out else []
    return [*lines, *more, told]


def _scale(spans: Sequence[Span]) -> tuple[float, float]:
    first = min(span.start for span in spans)
    return first, max(0.001, max(span.end for span in spans) - first)


def _label(span: Span, width: int) -> str:
    text = "  " * DEPTH.get(span.kind, 3) + short_name(span)
    return f"{text[: width - 1]}…" if len(text) > width else f"{text:{width}}"


def short_name(span: Span) -> str:
    """Return a span's name without the conventions' first word; a model's name may hold anything."""
    name = printable(span.name)
    for word in ("invoke_workflow ", "invoke_agent ", "execute_tool ", "chat "):
        if name.startswith(word):
            return name.removeprefix(word)
    return name


def _bar(span: Span, first: float, whole: float, width: int) -> str:
    begin = min(width - 1, int((span.start - first) / whole * width))
    length = max(1, min(width - begin, round((span.end - span.start) / whole * width)))
    return " " * begin + MARKS[span.kind] * length + " " * (width - begin - length)


def svg(spans: Sequence[Span]) -> str:
    """Return the waterfall as a picture, with every text escaped; titles tell the seconds."""
    shown, left_out = longest(ordered(spans), MOST_ROWS)
    first, whole = _scale(spans) if spans else (0.0, 1.0)
    height = ROW * (len(shown) + 2)
    rows = "".join(_row(span, at, first, whole) for at, span in enumerate(shown))
    foot = f"seconds; {whole:.1f} in all" + (f", and {left_out} shorter ones" if left_out else "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Where the time'
        f' went" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">{rows}'
        f'<text x="{LEFT}" y="{height - 6}">{escape(foot)}</text></svg>'
    )  # fmt: skip


def _row(span: Span, at: int, first: float, whole: float) -> str:
    scale = (WIDTH - LEFT - 60) / whole
    x, length = LEFT + (span.start - first) * scale, max(1.5, (span.end - span.start) * scale)
    indent, seconds = 8 + 12 * DEPTH.get(span.kind, 3), span.end - span.start
    name = escape(short_name(span)[:30])
    return (
        f'<g><title>{escape(printable(span.name))}: {seconds:.2f} s</title><text x="{indent}" y="{at * ROW + 13}">{name}</text>'
        f'<rect x="{x:.1f}" y="{at * ROW + 3}" width="{length:.1f}" height="12" rx="2" fill="{COLOURS[span.kind]}"/>'
        f'<text x="{min(x + length + 4, WIDTH - 52):.1f}" y="{at * ROW + 13}">{seconds:.1f}</text></g>'
    )  # fmt: skip
