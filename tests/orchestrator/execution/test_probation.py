"""Whose runs are taken up after deaths of the worker, and when."""

from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.execution.dbos_client import Run, root
from atos_orchestrator.execution.goal_input import GOAL, TASK
from atos_orchestrator.execution.probation import (
    ALONE_SECONDS,
    FEW_STARTS,
    LONGEST_ALONE_SECONDS,
    PROVEN_SECONDS,
    Probation,
    alone_seconds,
    suspects,
)

MANY = FEW_STARTS + 1


def left(run: str, starts: int) -> Run:
    return Run(run, TASK if ":" in run else GOAL, "running", "box#1", starts)


def test_runs_with_few_starts_are_all_taken_up_at_once() -> None:
    dead = [left("g1", FEW_STARTS), left("g1:T1", 1), left("g2", 2)]

    assert Probation().admitted(dead, {"g1", "g2"}, 0.0) == frozenset(dead)
    assert suspects(dead) == {}


def test_of_suspects_the_one_begun_most_often_comes_first_and_whole() -> None:
    dead = [left("g2:T1", MANY), left("g2", MANY), left("g1:T1", MANY + 1), left("g1", 1)]
    fresh = left("g3", 1)

    admitted = Probation().admitted([*dead, fresh], {"g1", "g2", "g3"}, 0.0)

    assert {run.id for run in admitted} == {"g1", "g1:T1", "g3"}
    assert suspects([*dead, fresh]) == {"g1": MANY + 1, "g2": MANY}


def test_the_next_one_comes_when_the_first_has_ended_or_was_alone_for_long_enough() -> None:
    first, second, third = (left(f"g{n}", MANY) for n in (3, 2, 1))
    unfinished = {"g1", "g2", "g3"}
    probation = Probation()

    assert probation.admitted([first, second, third], unfinished, 0.0) == {first}
    assert probation.admitted([second, third], unfinished, ALONE_SECONDS - 1) == frozenset()
    assert probation.admitted([second, third], unfinished, ALONE_SECONDS) == {second}
    assert probation.admitted([third], {"g1", "g3"}, ALONE_SECONDS + 1) == {third}


def test_a_goal_is_alone_for_longer_at_each_start() -> None:
    assert [alone_seconds(MANY + more) for more in (0, 1, 2, 20)] == [
        ALONE_SECONDS,
        2 * ALONE_SECONDS,
        4 * ALONE_SECONDS,
        LONGEST_ALONE_SECONDS,
    ]


def test_what_has_been_executing_for_an_hour_is_not_what_ends_workers() -> None:
    run, fresh = left("g1", MANY), left("g2", 1)
    probation = Probation()

    assert probation.proven([run, fresh], 10.0) == frozenset()
    assert probation.proven([run, fresh], 10.0 + PROVEN_SECONDS) == {run}


def test_what_ended_in_between_begins_its_hour_anew() -> None:
    run = left("g1", MANY)
    probation = Probation()
    probation.proven([run], 0.0)
    probation.proven([], 1.0)

    assert probation.proven([run], PROVEN_SECONDS) == frozenset()


NAMES = st.sampled_from(["g1", "g1:T1", "g2", "g2:T1", "g3", "g4:T2"])


@given(st.dictionaries(NAMES, st.integers(1, 30)), st.sets(st.sampled_from("1234")))
def test_at_most_one_suspect_is_admitted_and_everybody_in_the_end(
    starts: dict[str, int], ended: set[str]
) -> None:
    dead = [left(name, count) for name, count in starts.items()]
    unfinished = {f"g{n}" for n in "1234"} - {f"g{n}" for n in ended}
    probation, now, seen = Probation(), 0.0, frozenset[Run]()
    while dead:
        admitted = probation.admitted(dead, unfinished, now)
        assert len({root(run.id) for run in admitted} & suspects(dead).keys()) <= 1
        dead = [run for run in dead if run not in admitted]
        seen |= admitted
        now += LONGEST_ALONE_SECONDS
        assert now < 10 * LONGEST_ALONE_SECONDS

    assert {run.id for run in seen} == starts.keys()
