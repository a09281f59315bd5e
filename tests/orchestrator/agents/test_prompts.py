"""Prompts as they are sent, and their budgets: an engine would silently drop what is too long."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import (
    APPROACHES,
    PROMPT_TOKENS,
    Sampling,
    assignment,
    sample_request,
    shorten,
)
from atos_orchestrator.agents.repair_prompts import (
    REFLECTION_SCHEMA,
    reflection_request,
    repair_request,
)
from atos_orchestrator.agents.tester_prompts import (
    assertions_request,
    error_request,
    web_assertions_request,
)
from atos_orchestrator.durable_json import encode
from atos_orchestrator.strategies.general.planning import (
    PLAN_SCHEMA,
    PLAN_TOKENS,
    complexity_request,
    plan_request,
)
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.mini.strategy import MiniStrategy
from atos_orchestrator.task import ErrorClause, Task
from atos_orchestrator.web_application import FASTAPI, FLASK, WebApplication, WebFramework

CONTEXT = 4096
"""Tokens of the smallest pool, prompt and reply together."""

TASK = Task(
    id="T2",
    title="Count the words of a file",
    files=("report.py",),
    signatures=("count(path: str) -> int",),
    examples=("assert count('empty.txt') == 0",),
)
GOAL = "Write report.py with count(path: str) -> int that counts the words of a file"
CLAUSE = ErrorClause(
    "FileNotFoundError", "a path that is not there raises FileNotFoundError", "count"
)
LONG = Task(
    id="T9",
    title="t" * 80,
    files=tuple(f"{'p' * 70}{n}.py" for n in range(4)),
    contract="c" * 600,
    acceptance=("a" * 160,) * 3,
)
SAMPLING = Sampling("simple")


def tokens(request: ModelRequest) -> int:
    """UTF-8 bytes / 4, as everywhere in ATOS."""
    return sum(len(str(m["content"]).encode()) for m in request.messages) // 4


def user(request: ModelRequest) -> str:
    return str(request.messages[-1]["content"])


def test_every_prompt_of_a_task_begins_with_the_goals_own_words() -> None:
    given = assignment(GOAL, TASK, {"words.py": "def words(line):\n    return line.split()\n"})
    requests = [
        sample_request(given, SAMPLING),
        sample_request(given, Sampling("simple", 0.8, 1, APPROACHES[1])),
        assertions_request(given, "count", SAMPLING),
        error_request(given, CLAUSE, SAMPLING),
    ]

    assert given.text == snapshot("""\
Write report.py with count(path: str) -> int that counts the words of a file

These hold:
assert count('empty.txt') == 0

words.py is:
```python
def words(line):
    return line.split()

```\
""")
    assert all(user(request).startswith(f"{GOAL}\n\n") for request in requests)
    assert all(user(request).startswith(given.text) for request in requests)
    assert len({str(request.messages[0]) for request in requests}) == 1


def test_of_a_file_that_is_too_long_its_outline_is_shown_but_never_of_the_tasks_own() -> None:
    long = "def words(line):\n    return line.split()\n" * 100
    files = {"words.py": long, "report.py": long}

    given = assignment(GOAL, TASK, files, lambda _: "def words(line): ...\n")

    assert "words.py is:\n```python\ndef words(line): ...\n" in given.text
    assert given.cuts[0] == "words.py: only its signatures fit into the prompt"
    assert given.cuts[1].startswith("report.py: 4100 bytes, ")


def test_one_function_is_begun_with_its_signature() -> None:
    request = sample_request(assignment(GOAL, TASK, {}), SAMPLING)

    assert user(request).removeprefix(f"{GOAL}\n\n") == snapshot("""\
These hold:
assert count('empty.txt') == 0

The function: count(path: str) -> int
Write this function in one ```python fence, with the imports that it needs. Code only: no docstring, no tests.\
""")
    assert request.begin == "```python\ndef count(path: str) -> int:\n"
    assert request.stop == snapshot(
        (
            "```",
            """\

print(\
""",
            """\

assert \
""",
            """\

# Test\
""",
            """\

# Example\
""",
            """\

def \
""",
            """\

if __name__\
""",
        )
    )


def test_a_function_of_which_only_the_name_is_known_is_begun_with_it() -> None:
    request = sample_request(assignment(GOAL, replace(TASK, signatures=("count",)), {}), SAMPLING)

    assert request.begin == "```python\ndef count("


def test_a_module_is_begun_inside_its_fence_and_told_what_to_define() -> None:
    task = replace(TASK, signatures=("class Stack: push(x)", "load(path)"))
    request = sample_request(assignment(GOAL, task, {}), SAMPLING)

    assert user(request).removeprefix(f"{GOAL}\n\n") == snapshot("""\
These hold:
assert count('empty.txt') == 0

Write the complete file report.py in one ```python fence, with the imports that it needs. Code only: no docstrings, no tests, no example calls. Define: class Stack.\
""")
    assert (request.begin, "\nif __name__" in request.stop) == ("```python\n", True)


def test_a_goal_of_a_command_may_write_its_main_block() -> None:
    task = replace(TASK, signatures=("main(argv)", "load(path)"))
    request = sample_request(assignment("Write a command line tool", task, {}), SAMPLING)

    assert "\nif __name__" not in request.stop


def test_the_file_of_a_web_application_is_begun_with_what_makes_it() -> None:
    made = replace(TASK, files=("shop.py",), packages=("flask",))
    begun = [
        sample_request(assignment(GOAL, replace(made, signatures=(head,)), {}), SAMPLING)
        for head in ("create_app()", "app")
    ]

    assert [request.begin for request in begun] == snapshot(
        [
            """\
```python
from flask import Flask, jsonify, request


def create_app():
""",
            """\
```python
from flask import Flask, jsonify, request

app = Flask(__name__)
""",
        ]
    )
    assert not any("\ndef " in request.stop for request in begun)


@pytest.mark.parametrize(
    ("framework", "begin"),
    [
        (FLASK, 'assert create_app().test_client().get("/'),
        (FASTAPI, 'assert TestClient(create_app()).get("/'),
    ],
)
def test_testers_of_a_web_application_begin_with_a_request(
    framework: WebFramework, begin: str
) -> None:
    application = WebApplication(framework, "create_app()")
    request = web_assertions_request(assignment(GOAL, TASK, {}), application, SAMPLING)

    assert request.begin == f"```python\n{begin}"


def test_the_coder_of_a_web_application_is_told_its_routes_and_what_small_models_do_not_know() -> (
    None
):
    made = WebApplication(FASTAPI, "create_app()")
    rows = tuple(
        made.row(f"assert {made.client}.{asked}.status_code == 200")
        for asked in (
            "get('/health')",
            "get('/add?a=2')",
            "post('/items', json={})",
            "get('/items/3')",
        )
    )
    task = replace(TASK, signatures=("create_app()",), examples=rows, packages=("fastapi",))
    goal = "With FastAPI. POST /items with {} answers 200."
    words = user(sample_request(assignment(goal, task, {}), SAMPLING)).rpartition("\n\n")[2]

    assert words == snapshot(
        "Write the complete file report.py in one ```python fence, with the imports that it needs. Code only: no docstrings, no tests, no example calls. Define: create_app(). It answers GET /health, GET /add, POST /items. Parameters of a query are plain arguments (`a: int`); a JSON body is `item: dict = Body()`; another status than 200 stands in the decorator: `status_code=201`."
    )
    kept = replace(task, examples=(*rows, made.row(f"assert {made.client}.get('/a').json() != []")))
    assert "kept in a list or dict" in user(sample_request(assignment(goal, kept, {}), SAMPLING))
    asking = user(sample_request(assignment("With FastAPI.", task, {}), SAMPLING))
    assert "Body()" not in asking


def test_what_requests_answer_is_shown_in_few_words() -> None:
    made = WebApplication(FASTAPI, "make_app()")
    rows = (
        made.row(f"assert {made.client}.get('/').status_code == 200"),
        made.row(f"client = {made.client}\nclient.post('/a')\nassert client.get('/a').text == 'b'"),
        made.row(f"assert {made.client}.get('/a').text != 'b'"),
        "assert count('a') == 1",
    )
    given = assignment(GOAL, replace(TASK, examples=rows), {})

    assert given.text.removeprefix(f"{GOAL}\n\n") == snapshot("""\
These hold:
assert count('a') == 1
client = TestClient(make_app())  # a new one for each line
assert client.get('/').status_code == 200
client.post('/a'); assert client.get('/a').text == 'b'
assert client.get('/a').text != 'b'  # before anything is sent\
""")


def test_testers_are_asked_for_single_assertions_of_a_function() -> None:
    request = assertions_request(assignment(GOAL, TASK, {}), "count", SAMPLING)

    assert user(request).removeprefix(f"{GOAL}\n\n") == snapshot("""\
These hold:
assert count('empty.txt') == 0

Don't write the code. Write 5 tests of it, each one line `assert count(...) == ...`, with other values than the examples: usual cases, edge cases, and cases that a careless author gets wrong.\
""")
    assert (request.role, request.begin) == ("tester", "```python\nassert count(")
    assert request.may_be_cut


def test_testers_of_a_class_write_short_functions_with_their_set_up() -> None:
    request = assertions_request(assignment(GOAL, TASK, {}), "", SAMPLING)

    assert request.begin == "```python\nfrom report import *\n\n\ndef test_"


def test_a_row_for_a_stated_error_is_begun_with_its_clause() -> None:
    of_function = error_request(assignment(GOAL, TASK, {}), CLAUSE, SAMPLING)
    of_class = error_request(assignment(GOAL, TASK, {}), replace(CLAUSE, name="Stack"), SAMPLING)

    assert of_function.begin == snapshot("""\
```python
# a path that is not there raises FileNotFoundError
assert raises(FileNotFoundError, lambda: count(\
""")
    assert of_class.begin == snapshot("""\
```python
# a path that is not there raises FileNotFoundError
def test_filenotfounderror():
    \
""")


def test_a_repair_shows_the_file_and_what_was_seen() -> None:
    given = assignment(GOAL, TASK, {})
    request = repair_request(
        given, "def count(path)\n", "report.py, line 1: expected ':'", SAMPLING
    )

    assert user(request).removeprefix(f"{GOAL}\n\n") == snapshot("""\
These hold:
assert count('empty.txt') == 0

This is the file report.py:
```python
def count(path)

```
It fails: report.py, line 1: expected ':'
Write the complete corrected file in one ```python fence. Code only.\
""")


def test_a_reflection_is_asked_for_as_json() -> None:
    request = reflection_request(assignment(GOAL, TASK, {}), "x", "boom", SAMPLING)

    assert request.schema == REFLECTION_SCHEMA


def test_the_planner_is_told_the_goal_and_every_fault_of_its_last_plan() -> None:
    request = plan_request("Count words", ["the plan has no task", "T2 waits for itself"])

    assert user(request) == snapshot("""\
The goal:
Count words

Your last plan was rejected:
- the plan has no task
- T2 waits for itself
Return a better plan as JSON.\
""")
    assert list(PLAN_SCHEMA["properties"]) == ["summary", "tasks"]


def test_a_classifier_gets_the_levels_in_another_order_each_time() -> None:
    asked = [complexity_request(TASK, ("simple", "medium"), vote) for vote in range(2)]

    assert [user(q).splitlines()[-2] for q in asked] == snapshot(
        ["Levels: simple, medium", "Levels: medium, simple"]
    )


def test_atos_mini_hears_its_own_sentences_only() -> None:
    found = scope.check("please sum two numbers")
    assert isinstance(found, scope.Scope)
    task = Task("T1", "sum", files=("add.py",), scope=encode(found.wanted[0]))
    mini = MiniStrategy()

    plan = mini.plan_request("please sum two numbers", encode(found), [], 0)
    code = mini.code_request(assignment("", task, {}), Sampling("mini", 0.7, 2))

    assert (plan.pool, user(plan)) == ("mini", dialect.plan_prompt(found))
    assert (code.pool, user(code)) == ("mini", dialect.code_prompt(found.wanted[0]))
    assert (code.temperature, code.seed) == (0.7, 2)


def test_no_prompt_outgrows_the_smallest_context_whatever_the_task() -> None:
    huge = "ü" * 100_000
    given = assignment(huge, replace(LONG, examples=("ä" * 9000,)), {"a.py": huge, "b.py": huge})
    requests = [
        sample_request(given, SAMPLING),
        assertions_request(given, "f", SAMPLING),
        error_request(given, replace(CLAUSE, text=huge[:300]), SAMPLING),
        repair_request(given, huge, huge, SAMPLING),
        reflection_request(given, huge, huge, SAMPLING),
        complexity_request(LONG, ("simple", "medium"), 0),
    ]

    assert len(given.cuts) == 4
    assert max(tokens(request) for request in requests) <= PROMPT_TOKENS
    assert all(tokens(q) + q.max_tokens <= CONTEXT for q in requests)
    assert tokens(plan_request("g" * 2000, [])) + PLAN_TOKENS <= CONTEXT


def test_what_is_cut_is_cut_in_the_middle_and_says_so() -> None:
    short = shorten("start" + "x" * 1000 + "end", 60)

    assert short.startswith("start")
    assert short.endswith("end")
    assert "[...]" in short
    assert len(short.encode()) <= 60
