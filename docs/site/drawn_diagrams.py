"""The Mermaid blocks of the pages and their drawn pictures, so that the site needs no program from elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures" / "diagrams"
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKIPPED = {".git", ".venv", "build", "node_modules"}


def picture(source: str) -> Path:
    """Return where the picture of a block lies."""
    return FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.svg"


def blocks(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield page and source of every block in the repository."""
    for page in sorted(root.rglob("*.md")):
        if not SKIPPED.intersection(page.relative_to(root).parts):
            for found in BLOCK.finditer(page.read_text("utf-8")):
                yield page, found[1]


def with_pictures(text: str) -> str:
    """Return a page's text with its blocks drawn; one without a picture stays as it is written."""

    def drawn(match: re.Match[str]) -> str:
        path = picture(match[1])
        if not path.exists():
            return match[0]
        svg = " ".join(path.read_text("utf-8").split())
        return f'<figure class="diagram">{svg}</figure>'

    return BLOCK.sub(drawn, text)
