"""Calls of tools are read out of what models write; any other text is passed on as it came."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_scheduler.engines.protocol import ToolCall
from atos_scheduler.gateway.tool_calls import MARKS, ToolCallReader

CALL = ToolCall("add", {"a": 1, "b": "ä"})
BARE = '{"name": "add", "arguments": {"a": 1, "b": "ä"}}'
PIECES = [*MARKS, "</tool_call>", "{", "}", "[", "```json\n", '"name"', "add", " ", "<", "text\n"]


def read(*pieces: str) -> tuple[str, tuple[ToolCall, ...]]:
    reader = ToolCallReader({"add"})
    said = "".join(reader.text(piece) for piece in pieces)
    rest, calls = reader.end()
    return said + rest, calls


@pytest.mark.parametrize(
    ("text", "said", "count"),
    [
        (f"<tool_call>\n{BARE}\n</tool_call>", "", 1),
        (f"<tool_call>{BARE}</tool_call>\n<tool_call>{BARE}</tool_call>", "", 2),
        (f"Let me see. <tool_call>{BARE}</tool_call>", "Let me see. ", 1),
        (BARE, "", 1),
        (f"```json\n{BARE}\n```", "", 1),
        (f"<tools>\n{BARE}\n</tools>", "", 1),
        (f"[TOOL_CALLS][{BARE}, {BARE}]", "", 2),
        ('<|python_tag|>{"name": "add", "parameters": {"a": 1, "b": "ä"}}', "", 1),
        (f'{{"type": "function", "function": {BARE}}}', "", 1),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_every_way_of_writing_a_call_is_understood(
    text: str, said: str, count: int, size: int
) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert read(*pieces) == (said, (CALL,) * count)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        '{"x": 1}',
        '{"name": "other", "arguments": {}}',
        '{"name": "add", "arguments": 3}',
        "<tool_call>{broken</tool_call>",
        "```python\nprint(1)\n```",
        "a < b and [1]",
        "",
    ],
)
def test_what_is_no_call_is_text(text: str) -> None:
    assert read(*text) == (text, ())


@given(st.lists(st.sampled_from(PIECES)).map("".join), st.lists(st.integers(0, 60)))
def test_nothing_is_lost_wherever_a_text_is_cut(text: str, cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert read(*(text[a:b] for a, b in pairwise(ends))) == read(text) == (text, ())


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4))
def test_any_arguments_come_through(arguments: dict[str, object]) -> None:
    text = json.dumps({"name": "add", "arguments": arguments})
    assert read(f"<tool_call>{text}</tool_call>") == ("", (ToolCall("add", arguments),))
