"""The scope check: rules that accept the catalogue's wordings and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.strategies.mini import catalogue, scope
from atos_orchestrator.strategies.mini.family import Family, Wanted, expand
from atos_orchestrator.strategies.mini.pipelines import PIPELINES
from atos_orchestrator.strategies.mini.scope import Refusal, Scope

HERE = Path(__file__).parent
HELD_OUT = [
    tuple(line.split("\t")) for line in (HERE / "wordings_held_out.tsv").read_text().splitlines()
]
NEAR_MISSES = (HERE / "near_misses.txt").read_text().splitlines()
FAMILIES = list(catalogue.families())


def modules(goal: str) -> list[str] | None:
    """Give the modules that a goal would be split into; None for a refusal."""
    found = scope.check(goal)
    if isinstance(found, Refusal):
        return None
    return [catalogue.module_name(one) for one in found.wanted]


@pytest.mark.timeout(90)
def test_every_training_wording_of_a_written_family_means_that_family() -> None:
    astray = [
        (family.name, sentence)
        for family in FAMILIES
        if family.name not in PIPELINES
        for sentence in scope.sentences(family)
        if _family_of(sentence.replace("{k}", "13")) != family.name
    ]

    assert astray == []


@settings(deadline=None)
@given(st.sampled_from(sorted(PIPELINES.values(), key=lambda family: family.name)), st.data())
def test_every_training_wording_of_a_composed_function_means_that_function(
    family: Family, data: st.DataObject
) -> None:
    sentence = data.draw(st.sampled_from(list(expand(family.wordings[0]))))
    k = data.draw(st.integers(2, 99))

    found = scope.match(sentence.replace("{k}", str(k)))

    assert found == scope.wanted(family, None if family.numbers is None else k)


def test_every_canonical_wording_leads_back_to_its_family() -> None:
    for family in FAMILIES:
        one = scope.wanted(family, None if family.numbers is None else 7)
        assert scope.check(one.wording) == Scope("function", (one,))


def test_held_out_wordings_are_never_taken_for_something_else() -> None:
    found = [(want, modules(goal)) for want, goal in HELD_OUT]

    assert [pair for pair in found if pair[1] not in (None, [pair[0]])] == []
    assert sum(names == [want] for want, names in found) >= 0.6 * len(HELD_OUT)
    assert len(HELD_OUT) >= 300


def test_near_misses_are_refused() -> None:
    assert len(NEAR_MISSES) >= 100
    assert [goal for goal in NEAR_MISSES if modules(goal) is not None] == []


@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(
        ["matrix", "javascript", "not", "without", "file", "recursively", "17", "xyzzy"]
    ),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_a_word_that_nothing_explains_refuses_a_goal_that_was_in_scope(
    family: Family, intruder: str, data: st.DataObject
) -> None:
    words = scope.wanted(family, None if family.numbers is None else 7).wording.split()
    place = data.draw(st.integers(0, len(words)))

    goal = " ".join([*words[:place], intruder, *words[place:]])

    assert modules(goal) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gets_an_answer(goal: str) -> None:
    found = scope.check(goal)

    assert isinstance(found, Scope) or found.reason


@pytest.mark.parametrize(
    "goal",
    [
        "Write a Python function to add two numbers",
        "please write a function that adds two numbers",
        "Can you create some Python code which adds two integers, with tests?",
        "I'd like a function to add a and b.",
        "add two numbers",
    ],
)
def test_politeness_and_framing_carry_no_meaning(goal: str) -> None:
    assert modules(goal) == ["add"]


@pytest.mark.parametrize(
    ("goal", "module"),
    [
        ("Write a function that takes two numbers and returns their sum", "add"),
        ("takes a list of numbers and returns it reversed", "reverse_list"),
        ("given a sentence, find the longest word", "longest_word"),
        ("accepts a number and returns true if it is even", "is_even"),
    ],
)
def test_what_is_taken_is_what_is_worked_on(goal: str, module: str) -> None:
    assert modules(goal) == [module]


@pytest.mark.parametrize(
    "goal",
    [
        "takes a list and reverses a string",
        "takes a number and adds two numbers",
        "takes a list, sorts it, and returns the median",
        "takes a string and returns the first word",
        "given a word, count it in a text",
    ],
)
def test_taking_one_thing_and_working_on_another_is_refused(goal: str) -> None:
    assert modules(goal) is None


def test_a_toolkit_is_its_functions_in_order() -> None:
    goal = "Build a text toolkit: count words, reverse a string, check palindromes"

    assert scope.check(goal) == snapshot(
        Scope(
            kind="toolkit",
            wanted=(
                Wanted(family="count_words", slots=(), wording="count the words in a string"),
                Wanted(family="reverse_string", slots=(), wording="reverse a string"),
                Wanted(
                    family="is_palindrome", slots=(), wording="check if a string is a palindrome"
                ),
            ),
        )
    )


def test_a_toolkit_may_end_in_and_and_hold_numbers() -> None:
    goal = "Create a list library with functions to sort a list, take the first 3 items of a list and count the even numbers in a list"

    assert modules(goal) == ["sort_ascending", "first_items_3", "count_even"]


@pytest.mark.parametrize(
    "goal",
    [
        "Build a text toolkit: count words",
        "Build a text toolkit: count words, count words",
        "Build a text toolkit: count words, reverse a string, publish it",
        "Build a text toolkit: " + ", ".join(["count words", "reverse a string"] * 4),
        "reverse a string and count the words",
    ],
)
def test_a_toolkit_with_a_foreign_repeated_or_missing_part_is_refused(goal: str) -> None:
    assert modules(goal) is None


@pytest.mark.parametrize(
    ("meant", "turned"),
    [
        ("subtract b from a", "subtract a from b"),
        ("divide a by b", "divide b by a"),
        ("convert celsius to fahrenheit", "convert to celsius from fahrenheit"),
        ("convert a number to binary", "convert a number from binary"),
        ("raise a number to the power of two", "raise two to the power of a number"),
        ("find the largest of three numbers", "find the three largest numbers"),
        ("find the key with the largest value", "find the value with the largest key"),
        ("find the largest even number in a list", "find the largest even numbers in a list"),
        ("sum the numbers from 1 to n", "add 1 to n"),
        ("get the word count of a text", "count a word in a text"),
        ("count a character in a string", "get the character count of a string"),
        ("put the items of a list in reverse order", "order the items of a list in reverse"),
    ],
)
def test_the_same_words_turned_around_are_refused(meant: str, turned: str) -> None:
    assert modules(meant) is not None
    assert modules(turned) is None


def test_a_number_outside_the_familys_range_is_refused() -> None:
    assert modules("repeat a string 3 times") == ["repeat_string_3"]
    assert modules("repeat a string 1 times") is None
    assert modules("repeat a string 51 times") is None
    assert modules("repeat a string -3 times") is None
    assert modules("repeat a string 3.5 times") is None


def test_a_refusal_says_why_and_what_to_do() -> None:
    refusal = scope.check("add 13 to a number")

    assert isinstance(refusal, Refusal)
    assert refusal.reason == "this goal is not in the catalogue of atos-mini"
    assert "atos-client models pull" in refusal.next_step
    assert "GGUF" in refusal.next_step
    assert len(refusal.nearest) == 3


def test_a_very_long_goal_is_refused_at_once() -> None:
    assert isinstance(scope.check("add two numbers " * 6000), Refusal)


def _family_of(sentence: str) -> str | None:
    found = scope.match(sentence)
    return None if found is None else found.family
