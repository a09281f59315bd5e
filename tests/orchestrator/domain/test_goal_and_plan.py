"""Goals, plans and tasks: validation, names, and what may run next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.goal import MAX_GOAL_BYTES, MAX_SLUG, slug, validate_goal
from atos_orchestrator.plan import (
    Next,
    Plan,
    files_of_dependencies,
    next_tasks,
    order,
)
from atos_orchestrator.task import Task, owned_files
from atos_protocol.errors import BadRequestError
from atos_protocol.goals import FINAL_TASK_STATES, TASK_TRANSITIONS, may_follow
from doubles.plan_problems import problems


def diamond() -> Plan:
    """T1 before T2 and T3, both before T4."""
    return Plan(
        (
            Task("T1", "a", files=("a.py",)),
            Task("T2", "b", files=("b.py",), depends_on=("T1",)),
            Task("T3", "c", files=("c.py",), depends_on=("T1",)),
            Task("T4", "d", files=("d.py",), depends_on=("T2", "T3")),
        )
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("a" * (MAX_GOAL_BYTES + 1), f"{MAX_GOAL_BYTES + 1} bytes; at most {MAX_GOAL_BYTES}"),
        ("ü" * MAX_GOAL_BYTES, f"{2 * MAX_GOAL_BYTES} bytes"),
        ("add\x00two", r"control character \('\\x00'\) at position 3"),
        ("add\x1b[31mtwo", "control character"),
        ("half a pair: \ud800", "not valid text, at position 13"),
    ],
)
def test_a_goal_that_can_not_be_meant_is_refused_with_the_numbers(text: str, says: str) -> None:
    with pytest.raises(BadRequestError, match=says) as caught:
        validate_goal(text)

    assert caught.value.next_step


def test_a_goal_may_have_lines_and_any_letters() -> None:
    assert (
        validate_goal("  Añade dos números:\n\t- enteros\r\n") == "Añade dos números:\n\t- enteros"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Write a Python function to add two numbers", "add-two-numbers"),
        ("Build a text toolkit: count words!", "text-toolkit-count-words"),
        ("Añade dos números", "anade-dos-numeros"),
        ("Write app.py with create_app(), a Flask application.", "app-flask-application"),
        ("the", "the"),
        ("日本語", "goal"),
        ("x" * 100, "x" * MAX_SLUG),
    ],
)
def test_a_goal_gets_a_telling_name(text: str, name: str) -> None:
    assert slug(text) == name


@given(st.text())
def test_a_name_is_always_a_safe_file_name(text: str) -> None:
    name = slug(text)

    assert 0 < len(name) <= MAX_SLUG
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name[0] != "-"
    assert name[-1] != "-"


def test_a_task_starts_when_its_own_dependencies_are_done_and_waits_for_nobody_else() -> None:
    assert next_tasks(diamond(), {}) == Next(("T1",), ())
    assert next_tasks(diamond(), {"T1": "done"}).start == ("T2", "T3")
    assert next_tasks(diamond(), {"T1": "done", "T2": "running", "T3": "done"}) == Next((), ())
    both = {"T1": "done", "T2": "done", "T3": "done"}
    assert next_tasks(diamond(), {**both}).start == ("T4",)  # type: ignore[arg-type]


def test_a_failure_skips_all_that_depends_on_it_and_harms_nobody_else() -> None:
    found = next_tasks(diamond(), {"T1": "done", "T2": "failed"})

    assert found == Next(start=("T3",), skip=("T4",))


def test_skipping_goes_down_a_chain_at_once() -> None:
    chain = Plan(
        tuple(Task(f"T{n}", "x", depends_on=(f"T{n - 1}",) if n > 1 else ()) for n in (1, 2, 3))
    )

    assert next_tasks(chain, {"T1": "cancelled"}).skip == ("T2", "T3")


def test_the_order_puts_dependencies_first() -> None:
    found = order(diamond())

    assert found[0] == "T1"
    assert found[-1] == "T4"


def test_all_that_is_wrong_with_a_plan_is_said() -> None:
    bad = Plan(
        (
            Task("T1", "a", files=("x.py",), depends_on=("T9",)),
            Task("T3", "b", files=("x.py",)),
        )
    )

    assert problems(bad) == [
        "task ids must run from T1 to T2",
        "T1 depends on T9, which is unknown",
        "T1 and T3 both write tests/test_x.py at the same time",
    ]
    assert problems(Plan(())) == ["the plan has no task"]
    cycle = Plan((Task("T1", "a", depends_on=("T2",)), Task("T2", "b", depends_on=("T1",))))
    assert "cycle" in problems(cycle)[0]
    assert problems(diamond()) == []


def test_a_plan_survives_json() -> None:
    assert decode(Plan, encode(diamond())) == diamond()


def test_a_task_owns_its_tests_and_reads_the_files_before_it() -> None:
    plan = diamond()

    assert owned_files(plan.task("T2")) == ("b.py", "tests/test_b.py")
    assert files_of_dependencies(plan, plan.task("T4")) == ("b.py", "c.py")


def test_nothing_follows_a_settled_state_and_every_other_can_be_cancelled() -> None:
    assert {"done", "failed", "skipped", "cancelled"} == FINAL_TASK_STATES
    assert all(
        may_follow(state, "cancelled")
        for state in TASK_TRANSITIONS
        if state not in FINAL_TASK_STATES
    )
