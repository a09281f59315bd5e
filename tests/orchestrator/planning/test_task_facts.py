"""Which task of a plan is told what the goal says."""

from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.brief import read_brief
from atos_orchestrator.planning.task_facts import with_facts
from atos_orchestrator.task import ErrorClause, Task

GOAL = """\
Build a shop with Flask. It has total(prices): total([1, 2]) == 3. A Cart class with add(item) is needed;
add raises ValueError if the item is unknown. slug('A b') == 'a-b'
"""


def test_what_the_goal_says_goes_to_the_task_that_defines_the_name() -> None:
    plan = Plan(
        (
            Task("T1", "Sums", files=("sums.py",), contract="def total(p: list) -> int"),
            Task("T2", "The cart", files=("cart.py",), contract="class Cart with add(thing)"),
            Task("T3", "Names", files=("slug.py",), acceptance=("slug('x') -> 'y'",)),
            Task("T4", "Read me", kind="docs", files=("README.md",)),
        )
    )

    made = with_facts(plan, read_brief(GOAL), ("assert total([]) == 0",))

    clause = ErrorClause("ValueError", "add raises ValueError if the item is unknown", "Cart")
    assert made == Plan(
        (
            Task(
                "T1",
                "Sums",
                files=("sums.py",),
                contract="def total(p: list) -> int",
                signatures=("total(prices)",),
                examples=("assert total([]) == 0", "assert total([1, 2]) == 3"),
                packages=("flask",),
            ),
            Task(
                "T2",
                "The cart",
                files=("cart.py",),
                contract="class Cart with add(thing)",
                signatures=("class Cart: add(item)",),
                errors=(clause,),
                packages=("flask",),
            ),
            Task(
                "T3",
                "Names",
                files=("slug.py",),
                acceptance=("slug('x') -> 'y'",),
                examples=("assert slug('A b') == 'a-b'",),
                packages=("flask",),
            ),
            Task("T4", "Read me", kind="docs", files=("README.md",)),
        )
    )


def test_an_example_that_no_task_answers_for_is_a_note() -> None:
    plan = Plan((Task("T1", "a", files=("a.py",)), Task("T2", "b", files=("b.py",))))

    made = with_facts(plan, read_brief(""), ("assert f(1) == 2", "assert f(2) == 4"))

    assert made.tasks == plan.tasks
    assert made.notes == ("no task defines f, so an example of it decides about none",)


def test_tests_go_to_the_last_of_the_tasks_whose_modules_they_import() -> None:
    plan = Plan(
        (
            Task("T1", "b", files=("b.py",), depends_on=("T2",)),
            Task("T2", "a", files=("a.py",)),
            Task("T3", "c", files=("c.py",)),
        )
    )

    made = with_facts(plan, read_brief(""), (), "from a import f\nimport b\n")

    assert [task.tests for task in made.tasks] == ["from a import f\nimport b\n", "", ""]


def test_a_plan_without_code_is_left_alone() -> None:
    plan = Plan((Task("T1", "a", kind="docs", files=("a.md",)),))

    assert with_facts(plan, read_brief(GOAL), ("assert f(1) == 2",), "assert f()") == plan
