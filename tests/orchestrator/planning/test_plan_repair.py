"""Repair is total: whatever a model says, a plan without problems comes out."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.plan import MAX_TASKS, Plan
from atos_orchestrator.planning.repair import repair
from atos_orchestrator.strategies.general.strategy import GeneralStrategy
from doubles.plan_problems import problems

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ids = st.sampled_from(["T1", "T2", "T3", "t4", "1", 2, 3, "setup", "T99", " 1 "])
files = st.sampled_from(
    [
        "a.py",
        "./b.py",
        "../x",
        "/etc/p",
        "pkg/a.py",
        "tests/test_a.py",
        ".git/config",
        "a b",
        "x.md",
    ]
)
task_like = st.fixed_dictionaries(
    {},
    optional={
        "id": ids | anything,
        "title": st.sampled_from(["a", "A!", "b", "Ünï", ""]) | anything,
        "kind": st.sampled_from(["code", "test", "docs", "deploy", "weird"]) | anything,
        "files": st.lists(files | anything, max_size=5) | anything,
        "depends_on": st.lists(ids | anything, max_size=5) | anything,
        "contract": anything,
        "acceptance": anything,
        "complexity": st.sampled_from(["simple", "huge"]) | anything,
    },
)


@settings(max_examples=120, deadline=None)
@given(st.fixed_dictionaries({"tasks": st.lists(task_like | anything, max_size=14)}) | anything)
def test_whatever_a_model_says_a_plan_without_problems_comes_out(raw: Any) -> None:
    made = repair(raw).plan

    assert not made.tasks or problems(made) == []
    assert decode(Plan, json.loads(json.dumps(encode(made)))) == made


@settings(max_examples=60, deadline=None)
@given(st.lists(task_like, min_size=1, max_size=12))
def test_a_repaired_plan_is_left_alone(tasks: list[Any]) -> None:
    once = repair({"tasks": tasks}).plan

    twice = repair(encode(once)).plan

    assert twice.tasks == once.tasks
    assert twice.notes == ()


def test_two_thousand_broken_plans_leave_none_invalid() -> None:
    chance = random.Random(1)
    names = ["setup", *(f"T{n}" for n in range(1, 17)), *(str(n) for n in range(1, 17))]
    invalid = 0
    for _ in range(2_000):
        count = chance.randint(1, 16)
        tasks = [
            {
                "id": chance.choice([f"T{n + 1}", str(n + 1), "T1", "setup"]),
                "title": chance.choice(["a", "b", f"t{n}"]),
                "kind": chance.choice(["code", "test", "deploy", "weird"]),
                "files": chance.sample(["a.py", "b.py", "../x", "/etc/p"], 2),
                "depends_on": [chance.choice(names) for _ in range(chance.randint(0, 3))],
            }
            for n in range(count)
        ]
        made = repair({"tasks": tasks}).plan
        invalid += bool(made.tasks) and bool(problems(made))
    assert invalid == 0


def task(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Task {number}",
        "kind": "code",
        "files": [f"m{number}.py"],
    } | more


def test_dependants_of_a_second_task_of_one_title_go_to_the_first() -> None:
    made = repair([task(1, title="Parse"), task(2, title="parse!"), task(3, depends_on=[2])]).plan

    assert [(t.id, t.title, t.depends_on) for t in made.tasks] == [
        ("T1", "Parse", ()),
        ("T2", "Task 3", ("T1",)),
    ]


def test_an_order_that_the_plan_gives_to_two_writers_of_a_file_is_kept() -> None:
    made = repair([task(1, files=["app.py"], depends_on=[2]), task(2, files=["app.py"])]).plan

    assert [t.depends_on for t in made.tasks] == [("T2",), ()]
    assert made.notes == ()


def test_modules_whose_tests_would_share_a_file_take_turns() -> None:
    made = repair([task(1, files=["a/b.py"]), task(2, files=["a_b.py"])]).plan

    assert [t.depends_on for t in made.tasks] == [(), ("T1",)]


def test_a_cycle_loses_the_edge_that_points_forward() -> None:
    made = repair([task(1, depends_on=[3]), task(2, depends_on=[1]), task(3, depends_on=[2])]).plan

    assert [t.depends_on for t in made.tasks] == [(), ("T1",), ("T2",)]
    assert made.notes == ("T1 no longer depends on T3: that was a cycle",)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.py", "a/../../b.py", ".git/hooks/x", "a\\b.py", "a\nb.py", ""]
)
def test_paths_that_leave_the_repository_are_not_written(path: str) -> None:
    made = repair([task(1, files=[path])]).plan

    assert made.tasks[0].files == ("task_1.py",)


def test_what_is_beyond_repair_is_said_all_at_once() -> None:
    tangled = [task(n, depends_on=["ghost"]) for n in (1, 2, 3)] + [{"kind": "docs"}]
    too_much = repair(tangled)
    nothing = repair({"tasks": []})

    general = GeneralStrategy()
    plan, faults = too_much.plan, too_much.rejected
    assert general.review_plan(plan, faults, None, last=True) == (plan, [])
    assert general.review_plan(plan, faults, None, last=False) == (plan, list(faults))
    assert too_much.rejected[0] == "3 of 4 tasks were wrong:"
    assert len(too_much.rejected) > 3
    assert nothing.rejected == ("the plan has no task",)


def test_only_so_many_tasks_are_kept() -> None:
    made = repair([task(n) for n in range(1, 15)]).plan

    assert len(made.tasks) == MAX_TASKS
    assert any("only the first" in note for note in made.notes)
