"""The glossary names each word once, and every file that it points to exists."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = [
    line.strip("|").split("|")
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| word")
]


def test_every_word_stands_once() -> None:
    words = Counter(word.strip() for row in ROWS for word in row[0].split(","))
    assert [word for word, count in words.items() if count > 1] == []
    assert len(words) > 30


def test_every_place_exists() -> None:
    named = [path for row in ROWS for path in re.findall(r"`(atos_\w+/[\w/]+\.py)`", row[2])]
    folders = ("clients", "scheduler", "orchestrator", "servers")
    missing = [n for n in named if not any((ROOT / f / n).exists() for f in folders)]
    assert missing == []
    assert len(named) > 30
