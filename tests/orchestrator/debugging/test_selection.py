"""Which candidate is picked: rules by hand, properties, and cases in which errors are shared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.ending import question_text
from atos_orchestrator.debugging.selection import (
    Choice,
    Column,
    choose,
    distinguishing,
    is_enough,
    meeting,
)
from doubles.misconceptions import Odds, case

CASES = 2000


def column(rows: str, values: str = "") -> Column:
    """`+` passes, `-` fails; each character of `values` is what one call gives."""
    passes = tuple("pass" if mark == "+" else "fail" for mark in rows)
    return Column(passes, tuple(f"= {value}" for value in values))


def test_an_input_is_asked_for_rather_than_an_error_of_which_the_goal_speaks() -> None:
    one = Column(values=("= 1", "error: ValueError: negative"))
    other = Column(values=("= 2", "= 0"))
    calls = ["median([1, 2])", "f(0)"]

    assert distinguishing([one, other], calls, 0, 1) == ("f(0)", ("raises ValueError", "0"))
    assert distinguishing([one, other], calls, 0, 1, frozenset({"ValueError"})) == (
        "median([1, 2])",
        ("1", "2"),
    )


def test_what_neither_candidate_can_take_is_asked_last() -> None:
    calls = ["merge([1])", "merge([(1, 3), (2, 4)])"]
    one = Column(values=("error: TypeError: int", "= [(1, 4)]"))
    other = Column(values=("error: AttributeError: int", "= [(1, 3), (2, 4)]"))
    asked = ("merge([(1, 3), (2, 4)])", ("[(1, 4)]", "[(1, 3), (2, 4)]"))

    only = [Column(values=each.values[:1]) for each in (one, other)]

    assert distinguishing([one, other], calls, 0, 1) == asked
    assert distinguishing(only, calls[:1], 0, 1) == (
        "merge([1])",
        ("raises TypeError", "raises AttributeError"),
    )


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (("1", "1.5"), "f(0) gives 1 or 1.5?"),
        (("raises ValueError", "0"), "f(0) gives 0 or raises ValueError?"),
        (("raises ValueError", "raises KeyError"), "f(0) raises ValueError or raises KeyError?"),
    ],
)
def test_a_question_reads_as_a_sentence(answers: tuple[str, str], text: str) -> None:
    assert question_text("f(0)", answers) == text


def test_the_first_candidate_that_meets_every_example_is_taken() -> None:
    columns = [column("+-"), column("++"), column("++")]

    assert meeting(columns, [0, 1]) == [1, 2]
    assert choose(columns, [0, 1], []) == Choice(1, accepted=True, group=2, of=2, kept=(0, 1))


def test_a_candidate_that_does_not_load_meets_nothing() -> None:
    assert meeting([Column(loads=False)], []) == []


def test_two_that_agree_and_lead_are_accepted() -> None:
    columns = [column("+---", "1"), column("-+++", "2"), column("-+++", "2")]

    chosen = choose(columns, [], [0, 1, 2, 3])

    assert chosen == Choice(
        1, accepted=True, group=2, passed=3, lead=2, rivals=1, rival=0, of=3, kept=(1, 2, 3)
    )


def test_a_candidate_alone_is_never_accepted_by_agreement() -> None:
    assert not choose([column("++++"), column("----")], [], [0, 1, 2, 3]).accepted


def test_as_many_assertions_and_more_members_are_enough_but_equal_groups_are_not() -> None:
    one, other = column("++-", "1"), column("+-+", "2")

    assert choose([one] * 3 + [other] * 2, [], [0, 1, 2]).accepted
    assert not choose([one] * 3 + [other] * 3, [], [0, 1, 2]).accepted
    assert not choose([one] * 2 + [other], [], [0, 1, 2]).accepted


def test_a_rival_that_passes_more_assertions_is_never_outvoted() -> None:
    columns = [column("++++-----", "1")] * 3 + [column("+++++----", "2")]

    assert not choose(columns, [], list(range(9))).accepted


def test_nearly_all_candidates_are_believed_whatever_the_assertions_say() -> None:
    many, few = column("-----", "123"), column("+++++", "456")
    other = column("+----", "789")

    four = choose([many] * 4 + [few], [], list(range(5)))
    six = choose([few, *[many] * 6, other], [], list(range(5)))

    assert (four.candidate, four.accepted, four.group, four.lead) == (0, True, 4, -5)
    assert (six.candidate, six.accepted, six.group) == (1, True, 6)
    assert is_enough(four, further=True)
    assert not choose([many] * 4 + [few, other], [], list(range(5))).accepted
    assert not choose([many] * 3 + [few], [], list(range(5))).accepted
    failing = Column(("fail",) * 5, ("error: TypeError: int",) * 3)
    assert not choose([failing] * 5, [], list(range(5))).accepted, "to fail alike is no agreement"


def test_candidates_that_pass_the_same_but_give_other_values_are_no_group() -> None:
    chosen = choose([column("+++", "1"), column("+++", "2")], [], [0, 1, 2])

    assert (chosen.accepted, chosen.group, chosen.rival) == (False, 1, 1)


def test_examples_that_also_pass_on_a_stub_stay_law_but_do_not_decide() -> None:
    columns = [column("-+++"), column("++--", "1"), column("++++", "2"), column("++++", "2")]

    chosen = choose(columns, [0], [1, 2, 3], decisive=False)

    assert (chosen.candidate, chosen.accepted, chosen.of) == (2, True, 3)


def test_the_question_is_the_shortest_call_on_which_the_best_two_differ() -> None:
    calls = ["median([1, 2, 3, 4])", "median([1, 2])", "median([1])"]
    one = Column(values=("= 2", "= 1", "= 1"))
    other = Column(values=("= 2.5", "= 1.5", "= 1"))

    assert distinguishing([one, other], calls, 0, 1) == ("median([1, 2])", ("1", "1.5"))


def test_an_error_is_told_by_its_class_and_a_timeout_is_no_question() -> None:
    one = Column(values=("error: ValueError: negative", "timeout"))
    other = Column(values=("= 0", "= 1"))

    assert distinguishing([one, other], ["f(-1)", "f(9)"], 0, 1) == (
        "f(-1)",
        ("raises ValueError", "0"),
    )


def test_equal_candidates_leave_nothing_to_ask() -> None:
    same = Column(values=("= 1",))

    assert distinguishing([same, same], ["f(1)"], 0, 1) is None


def test_of_a_group_the_one_that_leaves_its_arguments_alone_is_taken() -> None:
    spoiling = Column(("pass", "pass"), ("= 1", "= 2"), spoiled=("f([2, 1])",))
    sparing = Column(("pass", "pass"), ("= 1", "= 2"))

    assert choose([spoiling, sparing, column("--", "34")], [], [0, 1]).candidate == 1


def test_to_fail_in_the_same_way_is_no_agreement() -> None:
    failing = Column(("pass", "fail"), ("error: FileNotFoundError", "error: FileNotFoundError"))

    assert not choose([failing, failing, column("--", "34")], [], [0, 1]).accepted


def test_one_that_leads_and_agrees_with_another_on_nearly_every_input_is_accepted_alone() -> None:
    right, one, other = (
        column("+++", "1111111111"),
        column("++-", "1111122222"),
        column("--+", "3331111111"),
    )

    assert choose([one, right, other], [], [0, 1, 2]) == Choice(
        1, accepted=True, group=1, passed=3, lead=1, rival=0, shared=10, inputs=10, of=3, kept=(0, 1, 2)
    )  # fmt: skip


def test_one_that_leads_but_stands_alone_on_many_inputs_or_is_outvoted_is_not() -> None:
    right, one = column("+++", "1111111111"), column("++-", "1111222222")
    alone, outvoted = column("--+", "3333333111"), column("--+", "1111111222")

    assert not choose([one, right, alone], [], [0, 1, 2]).accepted
    assert not choose([one, right, outvoted, outvoted], [], [0, 1, 2]).accepted
    assert not choose([one, right], [], [0, 1, 2]).accepted
    assert not choose([right, one, column("+++", "1111111155")], [], [0, 1, 2]).accepted  # no lead


@given(
    st.lists(
        st.tuples(st.text("+-", min_size=4, max_size=4), st.text("12", min_size=3, max_size=3)),
        max_size=6,
    )
)
def test_what_is_chosen_passes_what_is_kept_and_the_order_of_losers_does_not_matter(
    drawn: list[tuple[str, str]],
) -> None:
    columns = [column(rows, values) for rows, values in drawn]

    chosen = choose(columns, [], [0, 1, 2, 3])

    if chosen.candidate >= 0:
        assert all(columns[chosen.candidate].passes(row) for row in chosen.kept)
        assert 1 <= chosen.group <= chosen.of == len(columns)
        assert chosen.rival != chosen.candidate
    else:
        assert not columns


def test_shared_misconceptions_are_seldom_picked_and_hardly_ever_accepted(
    record_property: Callable[[str, object], None],
) -> None:
    picked = solvable = accepted = wrong = 0
    for seed in range(CASES):
        each = case(seed)
        chosen = choose(each.columns, [], each.rows)
        right = chosen.candidate >= 0 and each.right[chosen.candidate]
        solvable += any(each.right)
        picked += right
        accepted += chosen.accepted
        wrong += chosen.accepted and not right
    shares = f"picked {picked / solvable:.1%}, accepted {accepted / CASES:.1%}, wrong {wrong / accepted:.1%}"
    record_property("selection", shares)
    assert picked >= 0.90 * solvable
    assert wrong <= 0.02 * accepted


def test_further_candidates_decide_most_of_what_was_open_and_are_as_seldom_wrong(
    record_property: Callable[[str, object], None],
) -> None:
    accepted = wrong = first = 0
    for seed in range(CASES):
        each = case(seed, Odds(candidates=8))
        looks = (choose(each.columns[:count], [], each.rows) for count in (5, 6, 7, 8))
        chosen = next((c for at, c in enumerate(looks) if is_enough(c, further=at > 0)), Choice())
        accepted += chosen.accepted
        wrong += chosen.accepted and not each.right[chosen.candidate]
        first += is_enough(choose(each.columns[:5], [], each.rows), further=False)
    shares = f"accepted {first / CASES:.1%} -> {accepted / CASES:.1%}, wrong {wrong / accepted:.1%}"
    record_property("further", shares)
    assert accepted >= first + 0.05 * CASES
    assert wrong <= 0.02 * accepted
