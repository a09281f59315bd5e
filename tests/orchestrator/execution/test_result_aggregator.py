"""How goals end: pure decisions over how their tasks ended."""

from inline_snapshot import snapshot

from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.execution.result_aggregator import (
    GoalOutcome,
    TaskOutcome,
    Verification,
    execution_record,
    goal_outcome,
)
from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.errors import ContextError

PLAN = Plan(
    (Task("T1", "Add", files=("add.py",)), Task("T2", "Use | it", depends_on=("T1",))),
    notes=("T2 was made to depend on T1.",),
)
DONE = TaskOutcome("done", TaskResult("done", rounds=0, passed=3, model="m", engine="e"))
HELP = TaskOutcome("failed", TaskResult("needs_help", rounds=2, digest="assert 1 == 2"))
BROKEN = TaskOutcome("failed", None, {"code": "engine", "message": "it crashed", "next": "Look."})
LIMIT = TaskOutcome("failed", None, {"code": "limit_reached", "message": "too long", "next": ""})
SKIPPED = TaskOutcome("skipped")
GOOD = Verification(ok=True, passed=6, failed=0)


def end(one: TaskOutcome, two: TaskOutcome, verified: Verification | None = GOOD) -> GoalOutcome:
    return goal_outcome(PLAN, {"T1": one, "T2": two}, verified, "/repo", "g1")


def test_all_tasks_done_and_all_tests_passing_is_success() -> None:
    assert end(DONE, DONE) == snapshot(
        GoalOutcome(
            state="success",
            summary="2 of 2 tasks done, 6 tests passed. The repository is /repo. T1: passes its acceptance tests. T2: passes its acceptance tests.",
        )
    )


def test_tasks_that_fail_together_are_a_failure_though_each_was_done() -> None:
    outcome = end(DONE, DONE, Verification(ok=False, passed=5, failed=1, digest="E assert"))

    assert (outcome.state, (outcome.error or {})["next"]) == ("failed", "E assert")


def test_what_no_test_can_prove_is_no_failure_and_says_so() -> None:
    page = TaskOutcome("done", TaskResult("done", rounds=0, proof="unproven"))
    nothing = Verification(ok=False, passed=0, failed=0, digest="no test", untested=True)

    outcome = end(page, page, nothing)

    assert (outcome.state, outcome.error) == ("success", None)
    assert "T1: not proven: nothing decides about it" in outcome.summary
    assert end(page, DONE, nothing).state == "failed"
    assert end(page, page, Verification(ok=False, passed=0, failed=1)).state == "failed"


def test_a_task_that_did_not_pass_its_tests_needs_help() -> None:
    outcome = end(HELP, SKIPPED, None)

    assert outcome.state == "needs_help"
    assert outcome.error == snapshot(
        {
            "code": "needs_help",
            "message": "task T1 did not pass its tests in 3 attempts: assert 1 == 2",
            "next": "Look at it: atos-client debug g1/T1. Then give an example: atos-client answer g1/T1 'f(1) == 2', or code: atos-client fix g1/T1 FILE",
        }
    )


def test_a_defect_asks_for_help_and_names_its_task_even_beside_one_that_needs_help() -> None:
    outcome = end(HELP, BROKEN)
    error = outcome.error or {}

    assert (outcome.state, error["message"]) == ("needs_help", "task T2: it crashed")
    assert error["next"].endswith("Then go on: atos-client retry g1")


def test_an_error_of_the_tasks_own_is_a_failure() -> None:
    own = TaskOutcome("failed", error=ContextError("8200 tokens").to_wire())
    outcome = end(DONE, own)

    assert (outcome.state, (outcome.error or {})["code"]) == ("failed", "context")


def test_a_limit_outweighs_everything_else() -> None:
    assert end(BROKEN, LIMIT).state == "limit_reached"


def test_a_task_that_was_skipped_is_never_success() -> None:
    assert end(DONE, SKIPPED).state == "failed"


def test_the_record_describes_the_course_without_times() -> None:
    outcomes = {"T1": DONE, "T2": HELP}
    text = execution_record("Add\nand use", PLAN, outcomes, GOOD, engine="e", models="m")

    assert text == snapshot("""\
# Execution log

Goal:

> Add
> and use

Engine: e. Models: m.

| task | what | files | complexity | result | rounds | tests |
|---|---|---|---|---|---|---|
| T1 | Add | add.py | simple | done | 0 | 3 passed |
| T2 | Use \\| it |  | simple | failed | 2 | 0 passed |

What the code rests on:

* T1: passes its acceptance tests

The plan was repaired:

* T2 was made to depend on T1.

All together: 6 passed, 0 failed.
""")
