"""Replies that are too long for a model's context are cut, and say so."""

import json
from typing import Any, cast

from fastmcp.tools import ToolResult
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import ImageContent, TextContent

from atos_servers.host.reply_limit import cut_text, fit, shrink

LEAF = st.booleans() | st.integers(-99, 99) | st.text('aé"', max_size=300)
TREE = st.lists(LEAF, max_size=9) | st.dictionaries(st.sampled_from("abc"), LEAF) | LEAF
OBJECT = st.dictionaries(st.sampled_from("abcde"), TREE)


Tree = dict[str, Any]


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def bones(value: Any) -> int:
    """What is left when every string and list is empty: what can't be cut."""
    return size(bare(value))


def bare(value: Any) -> Any:
    match value:
        case str():
            return ""
        case list():
            return []
        case dict():
            return {key: bare(item) for key, item in cast("Tree", value).items()}
        case _:
            return value


def shape(value: Any) -> Any:
    """The types of a tree, by which a schema judges it."""
    match value:
        case list():
            return "list"
        case dict():
            return {key: shape(item) for key, item in cast("Tree", value).items()}
        case _:
            return type(value).__name__


@given(value=OBJECT, limit=st.integers(200, 2000))
def test_a_structure_is_cut_to_the_limit_and_keeps_its_shape(
    value: dict[str, Any], limit: int
) -> None:
    kept = shrink(value, limit)
    assert shape(kept) == shape(value)
    assert size(kept) <= max(limit, bones(value))
    if size(value) <= limit:
        assert kept == value


@given(text=st.text(max_size=400), limit=st.integers(40, 300))
def test_a_text_is_cut_at_a_character_and_states_its_length(text: str, limit: int) -> None:
    cut = cut_text(text, limit)
    assert len(cut.encode()) <= max(limit, 40)
    if len(text.encode()) <= limit:
        assert cut == text
    else:
        assert f"{len(text.encode())} bytes in all" in cut


def text_of(result: ToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def test_a_small_reply_is_passed_on_untouched() -> None:
    result = ToolResult(structured_content={"text": "x" * 1000})
    assert fit(result) is result


def test_a_long_reply_stays_valid_json_and_says_that_it_was_cut() -> None:
    result = fit(ToolResult(structured_content={"text": "é" * 40_000, "ok": True}))
    shown, note = text_of(result)
    assert json.loads(shown) == result.structured_content
    assert result.structured_content is not None
    assert result.structured_content["ok"] is True
    assert note.startswith("[cut: this reply had 80")
    assert sum(len(text.encode()) for text in text_of(result)) <= 32_000


def test_a_long_list_loses_its_end() -> None:
    items = [{"name": f"file-{number}", "size": number} for number in range(5000)]
    result = fit(ToolResult(structured_content={"items": items}))
    assert result.structured_content is not None
    kept = result.structured_content["items"]
    assert 100 < len(kept) < 5000
    assert kept == items[: len(kept)]


def test_text_without_structure_is_cut_and_pictures_are_kept() -> None:
    picture = ImageContent(type="image", data="aGk=", mime_type="image/png")
    result = fit(ToolResult(content=[TextContent(type="text", text="y" * 50_000), picture]))
    shown, note = text_of(result)
    assert shown.startswith("yyyy")
    assert "bytes in all" in shown
    assert note.startswith("[cut:")
    assert result.content[-1] == picture
