"""Which goals are planned without a model, and what their tasks are told."""

from typing import Any

import pytest

from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.brief import read_brief
from atos_orchestrator.planning.plan_by_rule import MAX_SIGNATURES, MAX_WORDS, plan_from_brief
from atos_orchestrator.planning.repair import repair
from atos_orchestrator.planning.task_facts import with_facts
from atos_orchestrator.task import ErrorClause, Task, unshown_errors

TOP_WORDS = (
    "Write topwords.py with top_words(text, n) that returns the n most frequent words."
    " top_words('a b a', 1) == ['a']. It raises ValueError if n is negative."
)
CALCULATOR = """\
Write two modules.
stack.py: class Stack with push(x) and pop(). Popping from an empty stack raises IndexError.
calc.py: evaluate(tokens), by using Stack. evaluate(['1', '2', '+']) == 3
"""


def plan(goal: str, examples: tuple[str, ...] = (), tests: str = "") -> Plan | None:
    brief = read_brief(goal)
    raw = plan_from_brief(brief, goal, examples, tests)
    if raw is None:
        return None
    return with_facts(repair(raw, trusted=True).plan, brief, examples, tests)


def files(goal: str, examples: tuple[str, ...] = (), tests: str = "") -> list[tuple[str, ...]]:
    made = plan(goal, examples, tests)
    return [task.files for task in made.tasks] if made else []


def test_a_goal_that_names_one_module_is_one_task_with_all_that_it_says() -> None:
    assert plan(TOP_WORDS) == Plan(
        (
            Task(
                "T1",
                TOP_WORDS[:80],
                files=("topwords.py",),
                contract="top_words(text, n)",
                signatures=("top_words(text, n)",),
                examples=("assert top_words('a b a', 1) == ['a']",),
                errors=(ErrorClause("ValueError", "raises ValueError if n is negative", "top_words"),),
            ),
        )
    )  # fmt: skip


def test_several_modules_are_a_task_each_and_depend_on_what_they_use() -> None:
    empty = ErrorClause("IndexError", "Popping from an empty stack raises IndexError", "Stack")
    assert plan(CALCULATOR) == Plan(
        (
            Task(
                "T1",
                "Write stack.py",
                files=("stack.py",),
                contract="class Stack: push(x), pop()",
                signatures=("class Stack: push(x), pop()",),
                errors=(empty,),
            ),
            Task(
                "T2",
                "Write calc.py",
                files=("calc.py",),
                depends_on=("T1",),
                contract="evaluate(tokens)",
                signatures=("evaluate(tokens)",),
                examples=("assert evaluate(['1', '2', '+']) == 3",),
            ),
        )
    )


@pytest.mark.parametrize(
    ("goal", "depends"),
    [
        ("Write a.py with f(x). Write b.py with g(x), which uses a.py.", [(), ("T1",)]),
        ("Write b.py, which imports a.py: g(x). Write a.py: f(x).", [("T2",), ()]),
        ("Write a.py with load_rows(path). b.py prints load_rows.", [(), ("T1",)]),
        ("Write a.py with add(x). b.py can add numbers too.", [(), ()]),
        ("Write a.py with add(x). b.py calls add(1) in a loop.", [(), ("T1",)]),
        ("a.py uses b.py. b.py uses a.py.", [(), ("T1",)]),
    ],
)
def test_an_edge_comes_from_the_words_about_a_module(
    goal: str, depends: list[tuple[str, ...]]
) -> None:
    made = plan(goal)

    assert made
    assert [task.depends_on for task in made.tasks] == depends


@pytest.mark.parametrize(
    ("goal", "file"),
    [
        ("Write a Python function to add two numbers", "add_two_numbers.py"),
        ("Write median(values) and mean(values). mean([1, 3]) == 2", "mean.py"),
        ("Write a class LRUCache with get(key)", "lru_cache.py"),
        ("Write statistics(values) that returns mean and median", "statistics_module.py"),
        ("Write flask(bottle) that fills a bottle", "flask_module.py"),
        ("Build a small Flask app with a /health route", "app.py"),
        ("Write an event service with publish(event)", "publish.py"),
        ("Escribe una función que sume números", "escribe_una_funcion_que_sume_numeros.py"),
        ("Write a JavaScript function that adds two numbers", "javascript_adds_two_numbers.js"),
        ("Create a simple web page with a contact form", "simple_web_page_contact_form.html"),
        ("Write an essay about the sea", "docs/essay-about-sea.md"),
    ],
)
def test_a_small_goal_is_one_task_in_a_file_named_after_it(goal: str, file: str) -> None:
    assert files(goal) == [(file,)]


@pytest.mark.parametrize(
    "goal",
    [
        "Build a price tracker that parses prices and sums a list of them",
        "Build a SaaS for dentists",
        "Create a website where people sell bikes, with accounts",
        "Make a REST API with a database and a dashboard",
        "Sum numbers. " * (MAX_WORDS // 2 + 1),
        "Write " + ", ".join(f"f_{n}(x)" for n in range(MAX_SIGNATURES + 1)),
        "I want:\n" + "\n".join(f"- feature {n}" for n in range(8)),
        "Build an app that starts in main.py. " + "It stores notes and shows them. " * 12,
    ],
)
def test_a_goal_that_is_not_small_is_left_to_a_model(goal: str) -> None:
    assert plan(goal) is None


def test_what_raises_the_same_error_as_well_is_a_clause_of_its_own() -> None:
    goal = (
        "Write roman.py with to_roman(number) and from_roman(text). A number below 1 raises ValueError, and so "
        "does a text with another letter; nothing else does. An empty list and other things raise TypeError, and "
        "so do sets."
    )
    made = plan(goal)

    assert made is not None
    assert [(each.name, each.text) for each in unshown_errors(made.tasks[0])] == [
        ("to_roman", "A number below 1 raises ValueError"),
        ("from_roman", "a text with another letter raises ValueError"),
        ("from_roman", "An empty list and other things raise TypeError"),
        ("to_roman", "An empty list and other things raise TypeError"),
        ("from_roman", "sets raise TypeError"),
        ("to_roman", "sets raise TypeError"),
    ]


@pytest.mark.parametrize(
    ("goal", "signatures"),
    [
        ("Write a Python function to add two numbers", ("add_two_numbers",)),
        ("Write median.py with a function that finds the middle value", ("median",)),
        ("Write a function f(x) that doubles x", ("f(x)",)),
        ("Write two functions that convert temperatures", ()),
        ("Write a class for a stack", ()),
        ("Write a JavaScript function that adds two numbers", ()),
    ],
)
def test_a_function_that_the_goal_does_not_name_gets_one_name_for_everybody(
    goal: str, signatures: tuple[str, ...]
) -> None:
    made = plan(goal)

    assert made is not None
    assert made.tasks[0].signatures == signatures


def test_examples_do_not_make_a_goal_large() -> None:
    rows = "\n".join(f"- f({n}, {list(range(n))}) == {n}" for n in range(20))

    assert files(f"Write f(n, values).\n{rows}") == [("f.py",)]


TESTS = "import pytest\nfrom shop.cart import Cart\n\n\ndef test_cart():\n    assert Cart().total() == 0\n"


@pytest.mark.parametrize(
    ("goal", "given", "file"),
    [
        ("Build a shop", {"tests": TESTS}, "shop/cart.py"),
        ("Write a.py", {"tests": "def test_a():\n    assert True\n"}, "a.py"),
        ("Build a shop", {"examples": ("import cart\nassert cart.total([]) == 0",)}, "cart.py"),
    ],
)
def test_tests_or_examples_that_name_one_module_are_one_task(
    goal: str, given: dict[str, Any], file: str
) -> None:
    made = plan(goal, **given)

    assert made
    assert [task.files for task in made.tasks] == [(file,)]
    assert made.tasks[0].tests == given.get("tests", "")
    assert made.tasks[0].examples == given.get("examples", ())


@pytest.mark.parametrize(
    ("goal", "file"),
    [
        ("Write clock.html, a web page with a small JavaScript clock", "clock.html"),
        ("Write a web page in HTML that shows a clock", None),
    ],
)
def test_a_file_of_another_language_is_called_as_the_goal_calls_it(
    goal: str, file: str | None
) -> None:
    made = plan(goal)

    assert made is not None
    name = made.tasks[0].files[0]
    assert name.endswith(".html")
    assert file in {None, name}
