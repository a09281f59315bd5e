"""Which inputs look like one that an example shows to be valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.input_shapes import looks_valid

SHOWN = [
    "assert decode('x2y10') == 'xxyyyyyyyyyy'",
    "assert wait('2024-03-01', 3) == 4",
    "assert read('XLII') == 42",
    "assert raises(ValueError, lambda: decode('a-b'))",
]


@pytest.mark.parametrize(
    ("call", "function", "looks"),
    [
        ("decode('a1b100')", "decode", True),
        ("decode('ab1cd2')", "decode", True),
        ("decode('a1b')", "decode", False),
        ("decode('a-b')", "decode", False),
        ("decode('')", "decode", False),
        ("wait('2024-02-30', 3)", "wait", True),
        ("wait('2024-02-30', -1)", "wait", False),
        ("wait('2024-02-30', days=3)", "wait", True),
        ("read('XLIZ')", "read", False),
        ("encode('x2y10')", "encode", False),
        ("decode(text)", "decode", False),
    ],
)
def test_a_text_of_the_same_parts_looks_valid(call: str, function: str, looks: bool) -> None:
    row = f"assert raises(ValueError, lambda: {call})"

    assert looks_valid(row, function, SHOWN) is looks


@given(st.text(max_size=30), st.text(max_size=10), st.lists(st.text(max_size=30), max_size=3))
def test_any_row_is_survived(row: str, function: str, shown: list[str]) -> None:
    assert not looks_valid(row, function, shown) or function in row
