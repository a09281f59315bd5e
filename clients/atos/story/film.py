"""A goal's story as one HTML file that can be sent to somebody: nothing in it runs, and nothing is fetched. Pure."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from html import escape

from atos.story.sentences import Sentence
from atos.story.waterfall import COLOURS, LEGEND, svg
from atos.tracing.spans import Span

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1020px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin-top: 2rem; }
svg { width: 100%; height: auto; } ol { list-style: none; padding: 0; }
li { display: grid; grid-template-columns: 5rem 3.5rem 1fr; gap: .6rem; padding: .25rem 0; border-top: 1px solid var(--line); }
li > * { overflow-wrap: anywhere; } .when, .task, .source { color: var(--soft); font-size: .85em; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 1em; }
"""
LEGEND_STYLE = "".join(f".key-{kind} {{ background: {COLOURS[kind]}; }}\n" for kind in LEGEND)
ALL_STYLE = STYLE + LEGEND_STYLE


def film(goal: str, title: str, sentences: Sequence[Sentence], spans: Sequence[Span]) -> str:
    """Return the page.

    Args:
        goal: its id.
        title: what was asked for; escaped like everything else.
        sentences: its story.
        spans: its time.
    """
    first = sentences[0].at if sentences else 0.0
    digest = base64.b64encode(hashlib.sha256(ALL_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    legend = "".join(f'<span class="key key-{kind}"></span>{name}' for kind, name in LEGEND.items())
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(first)) if first else ""
    told = "".join(_item(sentence, first) for sentence in sentences)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(goal)}</title><style>{ALL_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="source">{escape(goal)}, {escape(day)}. Told by ATOS from the goal\'s events;'
        " the numbers at the end of each sentence are theirs.</p>"
        f"<h2>Where the time went</h2><p>{legend}</p>{svg(spans)}"
        f"<h2>What happened</h2><ol>{told}</ol></body></html>\n"
    )  # fmt: skip


def _item(sentence: Sentence, first: float) -> str:
    source = (
        f"decision {sentence.decision}"
        if sentence.decision
        else ", ".join(f"#{n}" for n in sentence.events)
    )
    return (
        f'<li><span class="when">{sentence.at - first:+.1f} s</span><span class="task">{escape(sentence.task)}</span>'
        f'<span>{escape(sentence.text)} <span class="source">{source}</span></span></li>'
    )  # fmt: skip
