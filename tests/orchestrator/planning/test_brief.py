"""What the rules find in a goal's text: a table of sentences, and what holds for any text."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_orchestrator.planning.brief import Brief, Example, Place, Signature, read_brief
from atos_orchestrator.task import ErrorClause

SENTENCES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "goal_sentences.json").read_text()
)

PIECES = [
    "Write ", "f(", "f(x)", "f(1)", " == 2", " -> int", " -> 3", " returns ", "'a'", "[1, ", "]", ")",
    "{", "'", '"', '"""', "`", "```\n", "```python\n", "\n", "\n\n", ">>> ", "... ", "- ", "1. ", "    ",
    "s = S()", "; ", "s.push(1)", "assert ", "raises ", "ValueError", " if n is negative", ", and ", "class ",
    "Stack", " class", " with ", "methods ", "function ", "def ", "a.py", "in ", "using ", "Flask", "without ",
    "True", "None", "an empty list", "Decimal('1')", "lambda: ", "\\", "\x00", "é", "∞", "0x", "1e9", "-", ".",
    "Traceback (most recent call last):\n", "import os", "from a import b", "for x in y:", "# ", "=> ",
]  # fmt: skip
texts = st.text(max_size=200) | st.lists(
    st.sampled_from(PIECES) | st.text(max_size=4), max_size=60
).map("".join)


def findings(brief: Brief) -> dict[str, Any]:
    """Everything that a brief has, without places and without what is empty."""
    found = {
        "modules": list(brief.modules),
        "signatures": [
            f"{each.head} in {each.module}" if each.module else each.head
            for each in brief.signatures
        ],
        "examples": [each.assertion for each in brief.examples],
        "errors": [f"{each.name}: {each.text}" for each in brief.errors],
        "constraints": list(brief.constraints),
        "packages": list(brief.packages),
        "language": "" if brief.language == "python" else brief.language,
    }
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("row", SENTENCES, ids=[row["goal"][:50] for row in SENTENCES])
def test_a_goal_says_what_it_says_and_nothing_more(row: dict[str, Any]) -> None:
    assert findings(read_brief(row["goal"])) == row["found"]


def test_the_table_has_goals_of_every_sort() -> None:
    kinds = {name for row in SENTENCES for name in row["found"]}

    assert len(SENTENCES) >= 60
    assert kinds == {
        *("modules", "signatures", "examples", "errors", "constraints", "packages", "language")
    }


def test_every_finding_has_its_place() -> None:
    text = "Write pop(items) in a.py: pop([1]) == 1. It raises IndexError if items is empty."

    assert read_brief(text) == Brief(
        modules=("a.py",),
        signatures=(Signature("pop", "pop(items)", "function", "a.py", Place(6, 16)),),
        examples=(Example("assert pop([1]) == 1", "pop", Place(26, 39)),),
        errors=(ErrorClause("IndexError", "raises IndexError if items is empty", "pop"),),
    )


@settings(max_examples=150, deadline=None)
@given(texts)
def test_any_text_gives_a_brief_whose_findings_stand_in_it(text: str) -> None:
    brief = read_brief(text)
    assert read_brief(text) == brief
    places = [*(each.place for each in brief.signatures), *(each.place for each in brief.examples)]
    assert all(0 <= place.start < place.end <= len(text) for place in places)
    words = " ".join(text.split())
    assert all(each.text in words for each in brief.errors)
    assert all(each in words for each in brief.constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for example in brief.examples:
            compile(example.assertion, "example", "exec")


@pytest.mark.parametrize(
    "piece",
    [
        "f(", "f('", "f([", "f(x) ", "f(1) == 2\n", ">>> f(1)\n2\n", ">>> a\n", "s = S()\n", "s = S(); ", "x = (\n",
        "assert f(\n", "- f(x)\n", "`a` ", "'", "(", "a.", "class A ", "A class with f(x), ", "in a.py, ",
        "f(x) in a.py. ", "function a, ", "ValueError, ", "raises ValueError if ", "without using a ",
        "using Flask ", "write a ", "a", " ", "\n", "```\n", "f()()()", "f(lambda:", "----",
    ],
)  # fmt: skip
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    short, long = (lines_executed(piece * (size // len(piece))) for size in (1_000, 4_000))

    assert long <= 8 * short + 20_000


def lines_executed(text: str) -> int:
    """Count the lines of the reader that run for a text: unlike seconds, they are always the same."""
    count = 0

    def local(frame: Any, event: str, argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return local

    def start(frame: Any, event: str, argument: Any) -> Callable[..., Any] | None:
        return local if "planning/brief" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(start)
    try:
        read_brief(text)
    finally:
        sys.settrace(before)
    return count
