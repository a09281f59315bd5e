"""The page's tables are those of what is committed."""

import pytest

from bench.evaluation_page import PAGE, between_markers, rendered


def test_the_page_is_as_the_command_writes_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page, "run: PYTHONPATH=tests python -m bench.evaluation_page"


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb"
    new = between_markers(page, "x", ["\\1 new"])
    assert new == "a\n<!-- x: begin -->\n\n\\1 new\n\n<!-- x: end -->\nb"
    with pytest.raises(ValueError, match="no markers"):
        between_markers(page, "y", [])
