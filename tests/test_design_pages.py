"""The design pages beside the code say what the code does: their diagrams are made from its tables."""

import re
from pathlib import Path

import pytest

from design_diagrams import DIAGRAMS, PLACE, ROOT, drawn, pages, state_diagram


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_diagrams_of_a_design_page_are_those_of_the_code(page: Path) -> None:
    """If this fails, a transition table has changed: run `python tests/design_diagrams.py`."""
    assert drawn(page.read_text()) == page.read_text()


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_that_a_design_page_names_exists(page: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)`", page.read_text())
    missing = [n for n in named if not (page.parent / n).exists() and not (ROOT / n).exists()]
    assert missing == []


def test_every_diagram_stands_on_some_page() -> None:
    shown = {name for page in pages() for _, name, _ in PLACE.findall(page.read_text())}
    assert sorted(DIAGRAMS) == sorted(shown)


def test_a_diagram_starts_at_the_first_state_and_ends_where_nothing_follows() -> None:
    assert state_diagram({"on": ["off"], "off": []}) == (
        "```mermaid\nstateDiagram-v2\n  [*] --> on\n  on --> off\n  off --> [*]\n```\n"
    )
