"""Repair is total: whatever a model says, a plan without problems comes out."""

import json
import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.plan import MAX_FILES, MAX_TASKS, Plan
from atos_orchestrator.planning.repair import repair
from atos_orchestrator.strategies.general.strategy import GeneralStrategy
from atos_orchestrator.task import ErrorClause, Task
from doubles.plan_problems import problems

ROOT = Path(__file__).parent.parent.parent.parent

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
        **dict.fromkeys(
            ("signatures", "examples", "errors", "tests", "packages"),
            st.sampled_from(
                [
                    ["f(1) == 2", "f(1) -> 3", "f(x)", "", 7],
                    [{"error": "ValueError", "text": "if n is 0"}, {"error": "x"}, None],
                    "assert f() == 1",
                    "x =",
                    {"a": []},
                    None,
                ]
            ),
        ),
    },
)


def unmerged(plan: Plan) -> list[str]:
    """Return the files that two tasks of one kind write although one could have written both."""
    found: list[str] = []
    for first, second in combinations(plan.tasks, 2):
        shared = set(first.files) & set(second.files)
        small = len(set(first.files) | set(second.files)) <= MAX_FILES
        alike = first.kind == second.kind and not (first.tests and second.tests)
        if shared and small and alike and not third_between(plan, first.id, second.id):
            found += sorted(shared)
    return found


def third_between(plan: Plan, one: str, other: str) -> bool:
    """Return whether a path of more than one edge leads from one task to another, either way."""
    edges = {task.id: set(task.depends_on) for task in plan.tasks}
    for start, end in ((one, other), (other, one)):
        reached, open_ones = set[str](), edges[start] - {end}
        while open_ones:
            each = open_ones.pop()
            reached.add(each)
            open_ones |= edges[each] - reached
        if end in reached:
            return True
    return False


def task(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Task {number}",
        "kind": "code",
        "files": [f"m{number}.py"],
    } | more


@settings(max_examples=80, deadline=None)
@given(st.fixed_dictionaries({"tasks": st.lists(task_like | anything, max_size=14)}) | anything)
def test_whatever_a_model_says_a_plan_without_problems_comes_out(raw: Any) -> None:
    check(repair(raw).plan)
    check(repair(raw, trusted=True).plan)


def check(made: Plan) -> None:
    assert not made.tasks or problems(made) + unmerged(made) == []
    assert decode(Plan, json.loads(json.dumps(encode(made)))) == made


@settings(max_examples=40, deadline=None)
@given(st.lists(task_like, min_size=1, max_size=8), st.booleans())
def test_a_repaired_plan_is_left_alone(tasks: list[Any], trusted: bool) -> None:
    once = repair({"tasks": tasks}, trusted=trusted).plan

    twice = repair(encode(once), trusted=trusted).plan

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
        invalid += bool(made.tasks) and bool(problems(made) or unmerged(made))
    assert invalid == 0


def test_dependants_of_a_second_task_of_one_title_go_to_the_first() -> None:
    made = repair([task(1, title="Parse"), task(2, title="parse!"), task(3, depends_on=[2])]).plan

    assert [(t.id, t.title, t.depends_on) for t in made.tasks] == [
        ("T1", "Parse", ()),
        ("T2", "Task 3", ("T1",)),
    ]


def test_tasks_that_write_one_file_are_one_task() -> None:
    made = repair(
        [
            task(1, files=["app.py"], depends_on=[2], contract="def a()", acceptance=["a() -> 1"]),
            task(2, files=["app.py", "b.py"], contract="def b()", complexity="medium"),
            task(3, depends_on=[2]),
        ]
    ).plan

    assert made == Plan(
        (
            Task(
                "T1",
                "Task 1 and Task 2",
                files=("app.py", "b.py"),
                contract="def a()\ndef b()",
                acceptance=("a() -> 1",),
                complexity="medium",
            ),
            Task("T2", "Task 3", files=("m3.py",), depends_on=("T1",)),
        ),
        notes=("T1 and T2 are one task, because both write app.py",),
    )


@pytest.mark.parametrize(
    ("tasks", "apart"),
    [
        pytest.param(
            [task(1, files=["README.md"]), task(2, kind="docs", files=["README.md"])],
            [(), ("T1",)],
            id="code and documentation",
        ),
        pytest.param(
            [
                task(1, files=["app.py", "a.py", "b.py"]),
                task(2, files=["app.py", "c.py", "d.py"]),
            ],
            [(), ("T1",)],
            id="too many files for one task",
        ),
        pytest.param(
            [
                task(1, files=["app.py"]),
                task(2, depends_on=[1]),
                task(3, files=["app.py"], depends_on=[2]),
            ],
            [(), ("T1",), ("T2",)],
            id="a third task between them",
        ),
    ],
)
def test_tasks_that_can_not_be_merged_take_turns(
    tasks: list[dict[str, Any]], apart: list[tuple[str, ...]]
) -> None:
    made = repair(tasks).plan

    assert [t.depends_on for t in made.tasks] == apart


def test_two_tasks_with_tests_of_their_own_take_turns() -> None:
    tests = "from app import f\n\ndef test_f():\n    assert f() == 1\n"
    given = [task(n, files=["app.py"], tests=tests) for n in (1, 2)]

    made = repair(given, trusted=True).plan

    assert [(t.depends_on, t.tests) for t in made.tasks] == [((), tests), (("T1",), tests)]


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


def test_what_decides_about_code_is_taken_from_an_author_and_never_from_a_model() -> None:
    said = task(
        1,
        acceptance=["f(2) -> 4", "it is fast"],
        examples=["f(-1) raises ValueError"],
        errors=[{"error": "ValueError", "text": "raises ValueError if n is negative", "name": "f"}],
        tests="from m1 import f\n\n\ndef test_f():\n    assert f(3) == 6\n",
        signatures=["f(n)"],
        packages=["Flask", "ruamel_yaml", "../x"],
    )

    plain = Task("T1", "Task 1", files=("m1.py",))
    assert repair([said]).plan.tasks == (replace(plain, acceptance=("f(2) -> 4", "it is fast")),)
    assert repair([said], trusted=True).plan.tasks == (
        replace(
            plain,
            acceptance=("it is fast",),
            signatures=("f(n)",),
            examples=("assert raises(ValueError, lambda: f(-1))", "assert f(2) == 4"),
            errors=(ErrorClause("ValueError", "raises ValueError if n is negative", "f"),),
            tests="from m1 import f\n\n\ndef test_f():\n    assert f(3) == 6\n",
            packages=("flask", "ruamel-yaml"),
        ),
    )


def test_an_authors_contract_counts_as_a_goals_words_do() -> None:
    contract = "half(n) returns n / 2: half(4) == 2. An odd n raises ValueError."

    made = repair([task(1, contract=contract)], trusted=True).plan.tasks[0]

    assert made.examples == ("assert half(4) == 2",)
    assert made.errors == (ErrorClause("ValueError", "An odd n raises ValueError", "half"),)
    assert repair([task(1, contract=contract)]).plan.tasks[0].examples == ()


def test_the_plan_that_the_documents_show_needs_no_repair() -> None:
    plan = json.loads((ROOT / "docs/examples/price_tracker_plan.json").read_text())

    made = repair(plan, trusted=True)

    assert (made.faults, made.rejected, made.plan.notes) == ((), (), ())
    assert [each.depends_on for each in made.plan.tasks[4:]] == [("T4",), ("T1", "T2", "T3", "T5")]
    assert [len(each.examples) for each in made.plan.tasks] == [4, 3, 3, 4, 5, 0]


def test_an_author_is_told_what_can_not_decide_about_code() -> None:
    made = repair([task(1, examples=["f(x) is good"]), task(2, tests="def test_(")], trusted=True)

    assert made.faults == (
        "T1: this is no example that can be checked: 'f(x) is good'",
        "T2: its tests are no Python",
    )
