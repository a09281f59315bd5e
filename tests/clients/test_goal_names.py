"""Which goal is meant: ids, beginnings, folders, words; what is ambiguous or wrong is answered with what exists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos.cli.goal_names import meant
from atos_protocol.errors import NotFoundError


def goal(name: str, text: str, folder: str = "") -> dict[str, Any]:
    return {"id": name, "goal": text, "repository": f"/home/me/atos/{folder}" if folder else ""}


GOALS = [
    goal("k87fd740", "Build a price tracker", "price-tracker-2"),
    goal("k87aa012", "Build a price tracker", "price-tracker"),
    goal("c01d9e55", "Write a median function", "median-function"),
]


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("c01", "c01d9e55"),
        ("k87f", "k87fd740"),
        ("price-tracker", "k87aa012"),  # a folder's whole name, though another begins alike
        ("median", "c01d9e55"),
        ("MEDIAN write", "c01d9e55"),
    ],
)
def test_a_goal_is_named_by_what_a_person_remembers_of_it(given_: str, wanted: str) -> None:
    assert meant(given_, GOALS) == wanted


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        (
            "k87",
            snapshot(
                "'k87' may be any of 2 goals: Name one by its id: k87fd740 (Build a price tracker), k87aa012 (Build a price tracker)."
            ),
        ),
        (
            "price tracker",
            snapshot(
                "'price tracker' may be any of 2 goals: Name one by its id: k87fd740 (Build a price tracker), k87aa012 (Build a price tracker)."
            ),
        ),
        (
            "c01d9e56",
            snapshot(
                "there is no goal 'c01d9e56': Did you mean c01d9e55? `atos-client status` lists all."
            ),
        ),
        (
            "zzzz",
            snapshot(
                "there is no goal 'zzzz': The newest: k87fd740 (Build a price tracker), k87aa012 (Build a price tracker), c01d9e55 (Write a median function). `atos-client status` lists all."
            ),
        ),
        (
            "k8",  # too short to name anything
            snapshot(
                "there is no goal 'k8': The newest: k87fd740 (Build a price tracker), k87aa012 (Build a price tracker), c01d9e55 (Write a median function). `atos-client status` lists all."
            ),
        ),
    ],
)
def test_what_is_ambiguous_or_wrong_is_answered_with_what_exists(given_: str, told: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        meant(given_, GOALS)
    assert f"{refused.value.message}: {refused.value.next_step}" == told


def test_where_there_is_no_goal_one_is_told_how_to_start_one() -> None:
    with pytest.raises(NotFoundError) as refused:
        meant("x1", [])
    assert refused.value.next_step == 'There is none yet: atos-client build "..."'


@given(st.text(), st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=6))
def test_an_answer_is_one_of_the_goals_or_a_refusal_with_a_next_step(
    word: str, made: list[tuple[str, str]]
) -> None:
    goals = [goal(name, text) for name, text in made]
    told = ""
    try:
        told = meant(word, goals)
    except NotFoundError as refused:
        told = refused.next_step
    assert told
    assert any(each["id"] in told for each in goals) or (not goals and "atos-client build" in told)
