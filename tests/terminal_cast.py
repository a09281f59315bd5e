"""Records a first goal in a terminal: `python tests/terminal_cast.py` writes docs/pictures/first-goal.cast and .svg.

The goal is a real one in a home of its own. The cast is asciinema's format, version 2; the picture shows its lines as they came,
with pauses cut to two seconds, by the animation of SVG: no script.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from doubles.installation import CLIENT, Installation

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "docs" / "pictures" / "first-goal"
GOAL = "Write a Python function to add two numbers"
COLUMNS, MOST_LINES, LONGEST_PAUSE = 100, 44, 2.0
ROW, LETTER, EDGE = 17, 7.3, 12

Line = tuple[float, str]
"""Seconds since the begin, and the text."""


def recorded(atos: Installation) -> list[Line]:
    """Run the commands as a person would; return what was shown, and when."""
    shown: list[Line] = []
    begun = time.monotonic()
    for words in (["build", GOAL], ["explain"]):
        told = " ".join(f'"{word}"' if " " in word else word for word in words)
        shown.append((time.monotonic() - begun, f"$ atos-client {told}"))
        process = subprocess.Popen(
            [CLIENT, *words], env=atos.environment | {"COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=atos.person,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            text = (
                line.rstrip("\n").replace(str(atos.person), "~").replace(sys.prefix, "~/atos-env")
            )
            shown += [(time.monotonic() - begun, part) for part in wrapped(text)]
        if process.wait():
            message = f"{told}: exit {process.returncode}"
            raise SystemExit(message)
    return shown


def wrapped(text: str) -> list[str]:
    """Return a line in pieces that fit the terminal."""
    return re.findall(rf".{{1,{COLUMNS}}}", text) or [""]


def quickened(lines: Sequence[Line]) -> list[Line]:
    """Return lines with no pause longer than `LONGEST_PAUSE`."""
    found, before, at = list[Line](), 0.0, 0.5
    for moment, text in lines:
        at += min(LONGEST_PAUSE, max(0.04, moment - before))
        before = moment
        found.append((round(at, 2), text))
    return found


def cast(lines: Sequence[Line]) -> str:
    """Return the lines as asciinema plays them."""
    head = {"version": 2, "width": COLUMNS, "height": MOST_LINES, "title": "A first goal"}
    rows = [json.dumps([at, "o", f"{text}\r\n"], ensure_ascii=False) for at, text in lines]
    return "\n".join([json.dumps(head), *rows]) + "\n"


def picture(lines: Sequence[Line]) -> str:
    """Return the lines as a picture in which each appears at its time; whoever wants no motion sees all at once."""
    shown = lines[:MOST_LINES]
    width, height = round(COLUMNS * LETTER + 2 * EDGE), ROW * len(shown) + 2 * EDGE
    delays = "".join(f".l{n}{{animation-delay:{at}s}}" for n, (at, _) in enumerate(shown))
    style = (
        "text{font:12px ui-monospace,monospace;fill:#d8dee9;white-space:pre;animation:in .01s both}"
        ".typed{fill:#8fbcbb}@keyframes in{from{opacity:0}to{opacity:1}}"
        f"{delays}@media(prefers-reduced-motion:reduce){{text{{animation:none}}}}"
    )
    rows = "".join(
        f'<text class="l{n}{" typed" if text.startswith("$ ") else ""}" x="{EDGE}" y="{EDGE + ROW * n + 12}">{escape(text)}</text>'
        for n, (_, text) in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="A first goal in a terminal">'
        f'<style>{style}</style><rect width="{width}" height="{height}" rx="8" fill="#20252f"/>{rows}</svg>\n'
    )


def main() -> int:
    """Record, and write both files."""
    atos = Installation()
    try:
        subprocess.run([CLIENT, "up"], env=atos.environment, check=True, capture_output=True)
        lines = quickened(recorded(atos))
    finally:
        atos.close()
    if any(str(ROOT) in text for _, text in lines):
        raise SystemExit("a path of this machine is in the recording")
    PLACE.with_suffix(".cast").write_text(cast(lines), encoding="utf-8")
    PLACE.with_suffix(".svg").write_text(picture(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
