"""Errors that stand for stated ones, and the code that raises the stated ones instead."""

from collections.abc import Callable
from typing import Any

import pytest

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.error_translation import translated, translations
from atos_orchestrator.debugging.facts import Facts
from atos_orchestrator.debugging.selection import Column
from atos_orchestrator.debugging.state import Candidate

READ = '''NUMERALS = {"I": 1, "V": 5}


def read(text):
    """Return the number."""
    # letter by letter
    return sum(NUMERALS[letter] for letter in text)


def last(text):
    return text[-1]
'''


def run(text: str | None) -> dict[str, Callable[..., Any]]:
    names: dict[str, Any] = {}
    exec(compile(text or "", "translated", "exec"), names)  # noqa: S102 - our own text
    return names


def test_the_function_gives_the_same_and_raises_what_the_goal_states() -> None:
    text = translated(READ, {"read": {"KeyError": "ValueError"}})
    assert text is not None
    assert "    # letter by letter\n" in text
    assert run(text)["read"]("VI") == 6
    assert run(text)["read"].__doc__ == "Return the number."
    with pytest.raises(ValueError, match="not valid: 'X'"):
        run(text)["read"]("X")
    with pytest.raises(IndexError):
        run(text)["last"]("")


def test_several_errors_of_several_functions() -> None:
    errors = {
        "read": {"KeyError": "ValueError", "TypeError": "ValueError"},
        "last": {"IndexError": "LookupError"},
    }
    names = run(translated(READ, errors))
    for bad in ("X", 3):
        with pytest.raises(ValueError, match="not valid"):
            names["read"](bad)
    with pytest.raises(LookupError, match="not valid: string index"):
        names["last"]("")


@pytest.mark.parametrize(
    "text",
    [
        "def read(text): return {}[text]\n",
        "def read(text):\n    yield {}[text]\n",
        'def read(text):\n    return {}[f"""a\n{text}"""]\n',
        "def other(text):\n    return {}[text]\n",
        "def read(text:\n",
        'def read(text):\n    """Only words."""\n',
    ],
    ids=["one line", "a generator", "a long text", "another function", "no Python", "no body"],
)
def test_what_can_not_be_changed_safely_stays(text: str) -> None:
    assert translated(text, {"read": {"KeyError": "ValueError"}}) is None


def test_an_error_that_the_module_does_not_know_is_not_raised() -> None:
    assert translated(READ, {"read": {"KeyError": "RomanError"}}) is None
    own = "class RomanError(Exception): ...\n\n\n" + READ
    assert translated(own, {"read": {"KeyError": "RomanError"}}) is not None


def row(source: str) -> Assertion:
    return Assertion(f"assert {source}", "error", "a clause", "read")


def facts(*rows: Assertion, outcomes: tuple[str, ...]) -> Facts:
    return Facts((Candidate({"a.py": "1"}),), rows, (Column(outcomes),), weak=False)


KEY = "fail: raised KeyError: 'X'"


def test_an_error_of_which_the_goal_does_not_speak_stands_for_the_stated_one() -> None:
    known = facts(
        row("raises(ValueError, lambda: read('X'))"),
        row("raises(ValueError, lambda: read('Y'))"),
        row("raises(ValueError, lambda: last(''))"),
        outcomes=(KEY, "fail: ValueError was not raised", "pass"),
    )
    assert translations(known, 0, ("read", "last")) == {"read": {"KeyError": "ValueError"}}


def test_an_error_of_which_the_goal_speaks_means_itself() -> None:
    known = facts(
        row("raises(ValueError, lambda: read('X'))"),
        Assertion("assert raises(KeyError, lambda: last(''))", "example"),
        outcomes=(KEY, "pass"),
    )
    assert translations(known, 0, ("read", "last")) == {}


def test_an_error_that_would_stand_for_two_is_left_alone() -> None:
    known = facts(
        row("raises(ValueError, lambda: read('X'))"),
        row("raises(RuntimeError, lambda: read('Y'))"),
        outcomes=(KEY, KEY),
    )
    assert translations(known, 0, ("read", "last")) == {}


@pytest.mark.parametrize(
    "outcome", ["fail: raised RuntimeError: no", "fail: raised SystemExit: 1", "error: KeyError: x"]
)
def test_only_errors_that_come_by_themselves_are_translated(outcome: str) -> None:
    known = facts(row("raises(ValueError, lambda: read('X'))"), outcomes=(outcome,))
    assert translations(known, 0, ("read",)) == {}
