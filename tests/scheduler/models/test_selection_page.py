"""The page on model selection is what the catalogue says."""

from pathlib import Path

from atos_scheduler.models.selection_page import page

PAGE = Path(__file__).parents[3] / "docs" / "model_selection.md"


def test_the_page_is_made_from_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make it anew: its head says how"
