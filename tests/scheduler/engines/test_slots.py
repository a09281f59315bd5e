"""Slots of a loaded model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import BusyError
from atos_scheduler.engines.slots import Slots, worth


def test_a_prompt_goes_to_the_slot_that_remembers_most_of_it() -> None:
    slots = Slots("m", 2)
    alpha, beta = slots.take("alpha"), slots.take("beta")
    slots.give_back(alpha, "alpha one")
    slots.give_back(beta, "beta one")
    assert slots.take("beta two") == beta
    assert slots.take("beta three") == alpha


def test_another_goals_prompt_goes_to_an_empty_slot_though_it_shares_the_first_lines() -> None:
    slots = Slots("m", 2)
    one = "you write code: " + "goal one and its files " * 3
    two = "you write code: " + "another goal " * 5
    first = slots.take(one)
    slots.give_back(first, one)
    second = slots.take(two)
    assert second != first
    slots.give_back(second, two)
    assert slots.take(one + "and now its tests") == first


def test_a_prompt_that_no_slot_helps_takes_the_one_used_least_recently() -> None:
    slots = Slots("m", 2)
    a, b = slots.take("aaaa"), slots.take("bbbb")
    slots.give_back(b, "bbbb")
    slots.give_back(a, "aaaa")
    assert slots.take("cccc") == b


def test_no_slot_is_given_twice_and_none_left_is_busy() -> None:
    slots = Slots("m", 3)
    assert sorted(slots.take("x") for _ in range(3)) == [0, 1, 2]
    with pytest.raises(BusyError, match="all 3 slots of m"):
        slots.take("x")


@given(st.lists(st.text(max_size=5), max_size=30))
def test_a_slot_that_came_back_can_be_taken_again(prompts: list[str]) -> None:
    slots = Slots("m", 1)
    for prompt in prompts:
        slots.give_back(slots.take(prompt), prompt)
    assert slots.take("") == 0


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_slot_is_worth_more_than_one_that_remembers_the_whole_prompt(
    remembered: str, prompt: str
) -> None:
    assert worth(remembered, prompt) <= worth(prompt, prompt) == 2 * len(prompt)
