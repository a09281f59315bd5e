"""What a model reads of a result holds nothing that it, or a person looking over its shoulder, can't see."""

import json

import pytest
from fastmcp.tools import ToolResult
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from mcp.types import ImageContent, TextContent

from atos_protocol.printable import printable
from atos_servers.host.shown_text import LAYOUT, is_exact, shown

HIDDEN = "pay\u202epal \x1b[2J \U000e0041"


def texts(result: ToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def of(text: str, structured: object = None) -> ToolResult:
    block = TextContent(type="text", text=text)
    return ToolResult(content=[block], structured_content=structured)


def test_hidden_characters_in_a_text_are_shown_as_escapes() -> None:
    result = of(f"two\nlines\t{HIDDEN}")
    assert texts(shown(result, exact=is_exact(result))) == snapshot(
        ["two\nlines\tpay\\u202epal \\x1b[2J \\U000e0041"]
    )


@given(st.dictionaries(st.text(), st.text()))
def test_json_says_the_same_as_before(value: dict[str, str]) -> None:
    result = of(json.dumps(value, ensure_ascii=False), value)
    text = texts(shown(result, exact=False))[0]
    assert json.loads(text) == value
    assert printable(text, keep=LAYOUT) == text


def test_what_a_file_holds_stays_and_a_note_tells_what_is_hidden_in_it() -> None:
    result = of(f"first\n{HIDDEN}", {"content": f"first\n{HIDDEN}", "size": 3})
    assert texts(shown(result, exact=is_exact(result))) == snapshot(
        [
            "first\npay\u202epal \x1b[2J \U000e0041",
            "[hidden characters in this text, the first in line 2: U+202E RIGHT-TO-LEFT OVERRIDE. They are left as they are. They may show it in another order than it has, or carry words that nobody sees.]",
        ]
    )


@pytest.mark.parametrize("text", ["plain", "größer, 日本\n", "👩\u200d🚀", ""])
def test_a_result_in_which_nothing_is_hidden_is_the_same_object(text: str) -> None:
    picture = ImageContent(type="image", data="AA==", mime_type="image/png")
    result = ToolResult(content=[TextContent(type="text", text=text), picture])
    assert shown(result, exact=False) is result
