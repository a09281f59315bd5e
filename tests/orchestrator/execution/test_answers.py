"""Answers become assertions; what is given as evidence is checked. Pure."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_orchestrator.execution.answers import assertion_of
from atos_orchestrator.execution.evidence_given import check_tests, module_under_test, read_examples
from atos_protocol.errors import BadRequestError
from atos_protocol.goals import Question

MEDIAN = Question("median([1, 2]) gives 1.5 or 1?", "median([1, 2])", ("1.5", "raises ValueError"))
STACK = Question("what does it give?", "s = Stack()\ns.push(1)\ns.pop()", ("1", "None"))


@pytest.mark.parametrize(
    ("answer", "assertion"),
    [
        ("1", "assert median([1, 2]) == 1.5"),
        (" #1 ", "assert median([1, 2]) == 1.5"),
        ("1.5", "assert median([1, 2]) == 1.5"),
        ("2", "assert raises(ValueError, lambda: median([1, 2]))"),
        ("raises  KeyError", "assert raises(KeyError, lambda: median([1, 2]))"),
        ("7", "assert median([1, 2]) == 7"),
        ("None", "assert median([1, 2]) == None"),
        ("[1, 'a']", "assert median([1, 2]) == [1, 'a']"),
        ("assert median([]) == 0", "assert median([]) == 0"),
    ],
)
def test_an_answer_is_an_assertion_about_the_question(answer: str, assertion: str) -> None:
    assert assertion_of(answer, MEDIAN) == assertion


def test_a_call_that_needs_a_set_up_keeps_it() -> None:
    assert assertion_of("#1", STACK) == "s = Stack()\ns.push(1)\nassert s.pop() == 1"


def test_a_number_that_is_the_text_of_another_option_is_ambiguous() -> None:
    question = Question("f(0) gives 2 or 1?", "f(0)", ("2", "1"))

    with pytest.raises(BadRequestError) as caught:
        assertion_of("1", question)
    assert caught.value.next_step == "Answer #1 for 2, or #2 for 1."
    assert assertion_of("#1", question) == "assert f(0) == 2"


@pytest.mark.parametrize("answer", ["", "perhaps", "f(", "raises", "import os", "1; import os"])
def test_what_is_no_answer_says_what_is(answer: str) -> None:
    with pytest.raises(BadRequestError, match=r"is no answer to: median") as caught:
        assertion_of(answer, MEDIAN)
    assert caught.value.next_step.startswith("Answer 1 (1.5), 2 (raises ValueError), another value")


def test_an_option_that_can_not_be_written_as_python_is_refused() -> None:
    for shown in ("<object>", "0; 0", "0\nimport os", "g()"):
        with pytest.raises(BadRequestError, match="is no answer"):
            assertion_of("1", Question("what?", "f(1)", (shown,)))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.lists(st.text(max_size=8), max_size=3).map(tuple))
def test_whatever_is_answered_is_one_assertion_or_a_clear_refusal(
    answer: str, options: tuple[str, ...]
) -> None:
    try:
        made = assertion_of(answer, Question("f(1)?", "f(1)", options))
    except BadRequestError as error:
        made = f"assert {error.next_step!r}"
    *_, last = ast.parse(made).body
    assert isinstance(last, ast.Assert)
    assert ast.unparse(last.test) != "''"


def test_equal_examples_are_one() -> None:
    assert read_examples(["assert f(1) == 2", "assert f(1) == 2 "]) == ("assert f(1) == 2",)


@pytest.mark.parametrize(
    ("tests", "module"),
    [
        ("import pytest\nfrom topwords import top_words\n", "topwords.py"),
        ("import os, pkg.stats\n", "pkg/stats.py"),
        ("from . import here\nimport math\n", ""),
    ],
)
def test_the_module_that_tests_are_about_is_the_first_that_is_not_installed(
    tests: str, module: str
) -> None:
    assert module_under_test(tests) == module


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_tests_are_taken_as_they_are_or_refused(text: str) -> None:
    try:
        taken = check_tests(f"{text}\ndef test_f(): ...\n")
    except BadRequestError as error:
        taken = text * bool(error.next_step)
    assert taken.startswith(text)
