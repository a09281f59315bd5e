"""The arms of real-humaneval: what each delivers, what it costs, and that none sees the score."""

from dataclasses import replace

from hypothesis import given

from atos_protocol.verdicts import CandidateOutcome
from bench.arms import ARMS, first_that_loads, frozen_suite, greedy
from bench.figures import Paired, Share
from bench.humaneval_table import ArmFigures, ceiling, figures, spent, tables, without_examples
from bench.outcomes import Unit
from bench.policy import Decision
from bench.product_decision import decide
from doubles.recorded_units import unit, units

BROKEN = CandidateOutcome("error: SyntaxError: no", ("fail", "fail", "fail"), ("timeout",))
WRONG = CandidateOutcome("", ("fail", "pass", "pass"), ("= 1",))
RIGHT = CandidateOutcome("", ("pass", "pass", "pass"), ("= 2",))


def test_greedy_delivers_the_first_program_whatever_it_does() -> None:
    assert greedy(unit(BROKEN, RIGHT, right=(False, True)).facts) == Decision(0, accepted=True)


def test_the_first_that_loads_is_drawn_for_and_delivered() -> None:
    facts = unit(BROKEN, WRONG, RIGHT, right=(False, False, True)).facts
    assert first_that_loads(facts) == Decision(1, accepted=True, samples=2)


def test_a_frozen_suite_delivers_what_passes_all_of_it_and_nothing_without_a_suite() -> None:
    some = unit(WRONG, RIGHT, right=(False, True), suites=((0, 1), (2,)))
    assert frozen_suite(some.facts) == Decision(1, accepted=True, samples=2, testers=1)
    none = unit(WRONG, RIGHT, right=(False, True), suites=((), (0,)))
    assert frozen_suite(none.facts) == Decision(-1, accepted=False, samples=2, testers=1)


def test_atos_stops_at_the_first_program_that_meets_the_examples() -> None:
    facts = unit(RIGHT, RIGHT, right=(True, True), examples=(0,), suites=((1,),)).facts
    assert decide(facts) == Decision(0, accepted=True, samples=1)


def test_atos_takes_one_of_two_that_agree_where_an_earlier_program_failed_an_example() -> None:
    facts = unit(
        WRONG, RIGHT, RIGHT, right=(False, True, True), examples=(0,), suites=((1,),)
    ).facts
    assert decide(facts) == Decision(1, accepted=True, samples=3)


def test_atos_asks_where_no_program_meets_the_examples() -> None:
    facts = unit(WRONG, BROKEN, right=(False, False), examples=(0,)).facts
    assert decide(facts) == Decision(-1, accepted=False, asked=True, samples=2)


def test_without_an_example_atos_delivers_only_what_others_stand_behind() -> None:
    poor = CandidateOutcome("", ("fail", "fail", "fail"), ("= 1",))
    backed = unit(poor, RIGHT, RIGHT, right=(False, True, True), suites=((0, 1, 2),))
    alone = unit(poor, RIGHT, right=(False, True), suites=((0, 1, 2),))
    assert decide(backed.facts) == Decision(1, accepted=True, samples=3, testers=1)
    assert decide(alone.facts) == Decision(1, accepted=False, asked=True, samples=2, testers=1)


@given(units())
def test_no_arm_delivers_what_does_not_load_but_greedy_and_none_spends_more_than_there_is(
    found: Unit,
) -> None:
    facts = found.facts
    most = spent(facts, Decision(0, True, samples=len(facts.programs), testers=len(facts.testers)))
    for arm, policy in ARMS.items():
        made = policy(facts)
        assert made.accepted <= (made.choice >= 0)
        assert not (made.accepted and made.asked)
        assert made.choice < made.samples
        assert 0 < spent(facts, made).tokens <= most.tokens
        if made.accepted and arm != "bare greedy":
            assert facts.candidates[made.choice].load == ""


@given(units())
def test_what_atos_accepts_meets_every_example(found: Unit) -> None:
    made = decide(found.facts)
    if made.accepted:
        rows = found.facts.candidates[made.choice].rows
        assert all(rows[row] == "pass" for row in found.facts.examples)


@given(units())
def test_taking_the_examples_away_keeps_every_other_row_as_it_was(found: Unit) -> None:
    bare, facts = without_examples(found).facts, found.facts
    kept = [row for row in range(len(facts.rows)) if row not in facts.examples]
    assert bare.examples == ()
    assert bare.rows == tuple(facts.rows[row] for row in kept)
    assert [c.rows for c in bare.candidates] == [
        tuple(c.rows[row] for row in kept) for c in facts.candidates
    ]
    assert [[bare.rows[row] for row in suite] for suite in bare.suites] == [
        [facts.rows[row] for row in suite if row in kept] for suite in facts.suites
    ]


def test_figures_count_right_wrong_and_asked_of_all_problems() -> None:
    helped = unit(WRONG, RIGHT, right=(False, True), examples=(0,), suites=((0, 1),))
    given_up = unit(BROKEN, WRONG, right=(False, False), examples=(0,), suites=((0, 1),))
    found = {one.arm: one for one in figures([helped, given_up])}
    assert found["bare greedy"] == ArmFigures(
        "bare greedy", Share(0, 2), Share(2, 2), 0, Paired(0, 0), Paired(0, 0), 10.0, 1.0, 1.0
    )
    assert found["ATOS"] == ArmFigures(
        "ATOS", Share(1, 2), Share(0, 1), 1, Paired(1, 0), Paired(1, 0), 30.0, 3.0, 3.0
    )
    assert found["frozen suite"] == ArmFigures(
        "frozen suite", Share(1, 2), Share(0, 1), 0, Paired(1, 0), Paired(1, 0), 130.0, 13.0, 13.0
    )
    assert ceiling([helped, given_up]) == Share(1, 2)


def test_the_score_changes_no_decision() -> None:
    one = unit(WRONG, RIGHT, right=(False, True), examples=(0,), suites=((0, 1),))
    other = replace(one, score=replace(one.score, right=(True, False)))
    costs = [[(a.asked, a.tokens, a.wrong.of) for a in figures([u])] for u in (one, other)]
    assert costs[0] == costs[1]


def test_a_table_has_a_line_for_every_arm_and_the_ceiling_in_each_group() -> None:
    lines = tables([unit(WRONG, RIGHT, right=(False, True), examples=(0,), suites=((0, 1),))])
    for arm in (*ARMS, "ceiling: best of all"):
        assert sum(line.startswith(f"| {arm} |") for line in lines) == 3
    assert {line.count("|") for line in lines if line.startswith("|")} == {10}
