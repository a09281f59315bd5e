"""How a clause about an error is split into the cases of which it speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.planning.brief.error_cases import MOST_CASES, error_cases

ONE_CASE = [
    "an empty list raises ValueError",
    "Rows of different lengths raise ValueError",
    "a letter that is no Roman numeral raises ValueError",
    "position raises ValueError for a name that isn't waiting",
    "a name with a blank and a digit in it raises ValueError",
    "raises ValueError if a or b is negative",
]
SEVERAL = {
    "An end before the start, a negative number of days and a text that is no date all raise ValueError": [
        "An end before the start raises ValueError",
        "a negative number of days raises ValueError",
        "a text that is no date raises ValueError",
    ],
    "an unknown token and numbers left over at the end raise ValueError": [
        "an unknown token raises ValueError",
        "numbers left over at the end raises ValueError",
    ],
    "A number below 1 or above 3999 raises ValueError": [
        "A number below 1 raises ValueError",
        "A number above 3999 raises ValueError",
    ],
    "a text that does not begin with a letter, or has a letter without a number, raises ValueError": [
        "a text that does not begin with a letter raises ValueError",
        "a text that has a letter without a number raises ValueError",
    ],
    "ValueError if it doesnt know a unit or if you try to turn a length into a weight": [
        "ValueError if it doesnt know a unit",
        "ValueError if you try to turn a length into a weight",
    ],
    "If the end is not after the start, or if it overlaps a lesson, it raises ValueError": [
        "If the end is not after the start, it raises ValueError",
        "If it overlaps a lesson, it raises ValueError",
    ],
    "In both, a negative size and an empty text raise ValueError": [
        "In both, a negative size raises ValueError",
        "In both, an empty text raises ValueError",
    ],
    "a negative size and an empty text raise ValueError in all of them": [
        "a negative size raises ValueError in all of them",
        "an empty text raises ValueError in all of them",
    ],
}


@pytest.mark.parametrize("clause", ONE_CASE)
def test_a_clause_of_one_case_stays_as_it_is(clause: str) -> None:
    assert error_cases(clause, "ValueError") == [clause]


@pytest.mark.parametrize("clause", SEVERAL)
def test_each_case_becomes_a_clause_of_its_own(clause: str) -> None:
    assert error_cases(clause, "ValueError") == SEVERAL[clause]


WORDS = [
    "an empty text",
    ", ",
    " and ",
    " or ",
    " if ",
    "a size",
    " raises ",
    "ValueError",
    " in both",
    "below 1",
]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=14).map("".join))
def test_any_clause_is_survived_and_no_case_is_empty(clause: str) -> None:
    cases = error_cases(clause, "ValueError")

    assert 1 <= len(cases) <= MOST_CASES
    assert cases == [clause] or all(
        "ValueError" in each and len(each) > len("ValueError") for each in cases
    )
