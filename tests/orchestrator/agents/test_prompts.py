"""Prompts as they are sent, and their budgets: an engine would silently drop what is too long."""

from inline_snapshot import snapshot

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import (
    CODE_TOKENS,
    PROMPT_TOKENS,
    REFLECTION_SCHEMA,
    Failure,
    Sampling,
    code_request,
    fix_request,
    reflection_request,
    shorten,
)
from atos_orchestrator.agents.prompts import (
    tests_request as suite_request,
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
from atos_orchestrator.strategies.strategy import Attempt
from atos_orchestrator.task import Task

CONTEXT = 4096
"""Tokens of the smallest pool, prompt and reply together."""

TASK = Task(
    id="T2",
    title="Count the words of a file",
    files=("report.py",),
    contract="def count(path: str) -> int",
    acceptance=("count('empty.txt') -> 0",),
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


def test_the_coder_gets_task_contract_examples_and_what_it_may_import() -> None:
    request = code_request(TASK, "# words.py\ndef words(line: str) -> list[str]", SAMPLING)

    assert user(request) == snapshot("""\
Task: Count the words of a file
Files: report.py
Contract: def count(path: str) -> int
Examples:
- count('empty.txt') -> 0
Modules that you may import:
# words.py
def words(line: str) -> list[str]\
""")
    assert (request.role, request.pool, request.schema) == ("coder", "simple", None)


def test_the_tester_sees_the_contract_and_no_code() -> None:
    assert user(suite_request(TASK, "", "", SAMPLING)) == snapshot("""\
Task: Count the words of a file
Files: report.py
Contract: def count(path: str) -> int
Examples:
- count('empty.txt') -> 0
Write tests/test_report.py. Import from the module `report`.\
""")


def test_a_repair_shows_code_tests_digest_and_the_last_reflection_only() -> None:
    failure = Failure(
        {"report.py": "def count(path):\n    return 1\n"},
        "assert 1 == 0",
        "def test_empty(): assert count('empty.txt') == 0",
        {"cause": "it always returns 1", "change": "count", "failing_test": "test_empty"},
    )

    assert user(fix_request(TASK, "", failure, SAMPLING)) == snapshot("""\
Task: Count the words of a file
Files: report.py
Contract: def count(path: str) -> int
Examples:
- count('empty.txt') -> 0
The code:
```python report.py
def count(path):
    return 1
```
The tests:
def test_empty(): assert count('empty.txt') == 0
What happened:
assert 1 == 0
What is thought to be the cause:
cause: it always returns 1
change: count
failing_test: test_empty
Return the complete file.\
""")


def test_a_reflection_is_asked_for_as_json_that_thinks_before_it_judges() -> None:
    request = reflection_request(TASK, Failure({"a.py": "x"}, "boom"), SAMPLING)

    assert request.schema == REFLECTION_SCHEMA
    assert list(REFLECTION_SCHEMA["properties"])[-1] == "test_wrong"


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
    code = mini.code_request(task, Attempt("fresh", "mini", 0.7, 2), "", None)

    assert (plan.pool, user(plan)) == ("mini", dialect.plan_prompt(found))
    assert (code.pool, user(code)) == ("mini", dialect.code_prompt(found.wanted[0]))
    assert (code.temperature, code.seed) == (0.7, 2)


def test_no_prompt_outgrows_the_smallest_context_whatever_the_task() -> None:
    huge = "ü" * 100_000
    failure = Failure(dict.fromkeys(LONG.files, huge), huge, huge, {"cause": huge})
    requests = [
        code_request(LONG, huge, SAMPLING),
        suite_request(LONG, huge, huge, SAMPLING),
        fix_request(LONG, huge, failure, SAMPLING),
        reflection_request(LONG, failure, SAMPLING),
        complexity_request(LONG, ("simple", "medium"), 0),
    ]

    assert max(tokens(request) for request in requests) <= PROMPT_TOKENS
    assert all(tokens(q) + q.max_tokens <= CONTEXT for q in requests)
    assert PROMPT_TOKENS + CODE_TOKENS <= CONTEXT
    assert tokens(plan_request("g" * 2000, [])) + PLAN_TOKENS <= CONTEXT


def test_what_is_cut_is_cut_in_the_middle_and_says_so() -> None:
    short = shorten("start" + "x" * 1000 + "end", 60)

    assert short.startswith("start")
    assert short.endswith("end")
    assert "[...]" in short
    assert len(short.encode()) <= 60
