"""Functions of a file are judged one by one: more is right, and what is accepted is as seldom wrong."""

from __future__ import annotations

from collections.abc import Callable

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.by_function import (
    WHOLE_FILE,
    Focus,
    next_focus,
    picked_by_examples,
)
from atos_orchestrator.debugging.facts import Facts
from atos_orchestrator.debugging.function_evidence import agreed_by_function
from atos_orchestrator.debugging.selection import Column, choose
from atos_orchestrator.debugging.state import Candidate
from doubles.misconceptions import Case, case

CASES = 1000
F = ("f", "g")
ROWS = (
    Assertion("assert f(1) == 1", "example"),
    Assertion("assert g(1) == 1", "example"),
    Assertion("assert raises(ValueError, lambda: f(0))", "error", "0 is refused", "f"),
    Assertion("assert raises(ValueError, lambda: f(-1))", "error", "0 is refused", "f"),
    Assertion("assert raises(ValueError, lambda: g(0))", "error", "0 is refused", "g"),
)


def facts(*columns: str, rows: tuple[Assertion, ...] = ROWS) -> Facts:
    """Make candidates of which each passes (`+`) or fails (`-`) the rows."""
    drawn = tuple(
        Column(tuple("pass" if mark == "+" else "fail" for mark in each)) for each in columns
    )
    return Facts(tuple(Candidate({"a.py": "1"}) for _ in drawn), rows, drawn, weak=False)


def test_each_function_comes_from_the_candidate_that_meets_its_examples_and_most_error_rows() -> (
    None
):
    assert picked_by_examples(facts("+----", "-+--+", "+-+--"), F) == (2, 1)
    assert picked_by_examples(facts("+----", "+-+--"), F) == ()
    assert picked_by_examples(facts("++---"), F) == (0, 0)


def test_a_function_without_rows_comes_from_the_candidate_of_the_others() -> None:
    assert picked_by_examples(facts("-+---", "+----"), ("f", "g", "h")) == (1, 0, 1)
    assert picked_by_examples(facts("", rows=()), F) == ()


def test_a_combination_has_no_vote() -> None:
    made = facts("+----", "-+---", "+++++")
    combination = Candidate({"a.py": "1"}, parts=(0, 1))
    some = Facts((*made.candidates[:2], combination), made.assertions, made.columns, weak=False)
    assert picked_by_examples(some, F) == (0, 1)


def test_the_next_sample_writes_what_nobody_has_right_and_keeps_the_rest() -> None:
    unmet = ("0 is refused", "g(1) == 1")
    assert next_focus(facts("+----", "+-+--"), F, -1) == Focus(("g",), (1, 1), unmet)
    assert next_focus(facts("++---"), F, 0) == Focus(("f",), (0, 0), ("0 is refused",))
    assert next_focus(facts("++---"), F, 0, 1) == Focus(("g",), (0, 0), ("0 is refused",))
    assert next_focus(facts("++++-"), F, 0) == Focus(("g",), (0, 0), ("0 is refused",))
    assert next_focus(facts("-----"), F, -1).picks == (-1, -1)
    assert next_focus(facts("--", rows=ROWS[:2]), F, -1) == WHOLE_FILE


def test_errors_of_a_file_that_is_not_made_of_functions_are_only_said() -> None:
    assert next_focus(facts("++---"), (), 0) == Focus((), (), ("0 is refused",))


def test_a_stated_error_is_raised_if_half_of_its_rows_say_so() -> None:
    some = facts("++---", "+++--")
    assert (some.errors_shown(0), some.errors_shown(1)) == (
        frozenset(),
        frozenset({("0 is refused", "f")}),
    )


def module(first: Case, second: Case) -> tuple[Facts, Facts]:
    """Make a file of two functions whose faults are independent; as a whole, and as if it were one function."""
    rows = [Assertion(f"assert f({n})", "tester") for n in first.rows]
    rows += [Assertion(f"assert g({n})", "tester") for n in second.rows]
    calls = [f"f({n})" for n in range(len(first.columns[0].values))]
    calls += [f"g({n})" for n in range(len(second.columns[0].values))]
    columns = tuple(
        Column(one.rows + two.rows, one.values + two.values)
        for one, two in zip(first.columns, second.columns, strict=True)
    )
    drawn = tuple(Candidate({"a.py": "1"}) for _ in columns)
    return (
        Facts(drawn, tuple(rows), columns, weak=False, calls=tuple(calls)),
        Facts(drawn, tuple(rows), columns, weak=False),
    )


def test_more_files_are_accepted_function_by_function_and_no_more_of_them_are_wrong(
    record_property: Callable[[str, object], None],
) -> None:
    whole = [0, 0]
    apart = [0, 0]
    for seed in range(CASES):
        first, second = case(2 * seed), case(2 * seed + 1)
        some, _ = module(first, second)
        choice = choose(some.columns, [], some.written)
        right = first.right[choice.candidate] and second.right[choice.candidate]
        whole[0] += choice.accepted
        whole[1] += choice.accepted and not right
        choices = agreed_by_function(some, F, len(some.columns))
        if all(each.accepted for each in choices.values()):
            apart[0] += 1
            apart[1] += not (
                first.right[choices["f"].candidate] and second.right[choices["g"].candidate]
            )
    shares = f"whole {whole[0] / CASES:.1%}, wrong {whole[1]}; apart {apart[0] / CASES:.1%}, wrong {apart[1]}"
    record_property("by function", shares)
    assert apart[0] > whole[0]
    assert apart[1] <= 0.04 * apart[0]
