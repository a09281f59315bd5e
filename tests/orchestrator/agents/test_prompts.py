"""Prompts as they are sent, and their budgets: what is too long would be lost without a word."""

from inline_snapshot import snapshot

from atos_orchestrator.agents import catalogue
from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import (
    CODE_TOKENS,
    PROMPT_TOKENS,
    REFLECTION_SCHEMA,
    Failure,
    Manner,
    code_question,
    fix_question,
    reflect_question,
    shorten,
)
from atos_orchestrator.agents.prompts import (
    tests_question as suite_question,
)
from atos_orchestrator.planning.prompts import PLAN_TOKENS, classify_question, plan_question
from atos_orchestrator.planning.schema import PLAN_SCHEMA
from atos_orchestrator.strategies.mini import dialect, scope
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
MANNER = Manner("simple")


def tokens(question: ModelRequest) -> int:
    """UTF-8 bytes / 4, as everywhere in ATOS."""
    return sum(len(str(m["content"]).encode()) for m in question.messages) // 4


def user(question: ModelRequest) -> str:
    return str(question.messages[-1]["content"])


def test_the_coder_gets_task_contract_examples_and_what_it_may_import() -> None:
    question = code_question(TASK, "# words.py\ndef words(line: str) -> list[str]", MANNER)

    assert user(question) == snapshot("""\
Task: Count the words of a file
Files: report.py
Contract: def count(path: str) -> int
Examples:
- count('empty.txt') -> 0
Modules that you may import:
# words.py
def words(line: str) -> list[str]\
""")
    assert (question.role, question.pool, question.schema) == ("coder", "simple", None)


def test_the_tester_sees_the_contract_and_no_code() -> None:
    assert user(suite_question(TASK, "", "", MANNER)) == snapshot("""\
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

    assert user(fix_question(TASK, "", failure, MANNER)) == snapshot("""\
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
    question = reflect_question(TASK, Failure({"a.py": "x"}, "boom"), MANNER)

    assert question.schema == REFLECTION_SCHEMA
    assert list(REFLECTION_SCHEMA["properties"])[-1] == "test_wrong"


def test_the_planner_is_told_the_goal_and_every_fault_of_its_last_plan() -> None:
    question = plan_question("Count words", ["the plan has no task", "T2 waits for itself"])

    assert user(question) == snapshot("""\
Goal: Count words
Your last plan was rejected:
- the plan has no task
- T2 waits for itself
Return a better plan as JSON.\
""")
    assert list(PLAN_SCHEMA["properties"]) == ["summary", "tasks"]


def test_a_classifier_gets_the_levels_in_another_order_each_time() -> None:
    asked = [classify_question(TASK, ("simple", "medium"), vote) for vote in range(2)]

    assert [user(q).splitlines()[-2] for q in asked] == snapshot(
        ["Levels: simple, medium", "Levels: medium, simple"]
    )


def test_atos_mini_hears_its_own_sentences_only() -> None:
    found = scope.check("please sum two numbers")
    assert isinstance(found, scope.Scope)
    wanted = catalogue.wanted_to_json(found.wanted[0])

    plan = catalogue.plan_question(found, temperature=0.0, seed=0)
    code = catalogue.code_question(catalogue.wanted_from_json(wanted), temperature=0.7, seed=2)

    assert (plan.pool, user(plan)) == ("mini", dialect.plan_prompt(found))
    assert (code.pool, user(code)) == ("mini", dialect.code_prompt(found.wanted[0]))
    assert (code.temperature, code.seed) == (0.7, 2)


def test_no_prompt_outgrows_the_smallest_context_whatever_the_task() -> None:
    huge = "ü" * 100_000
    failure = Failure(dict.fromkeys(LONG.files, huge), huge, huge, {"cause": huge})
    questions = [
        code_question(LONG, huge, MANNER),
        suite_question(LONG, huge, huge, MANNER),
        fix_question(LONG, huge, failure, MANNER),
        reflect_question(LONG, failure, MANNER),
        classify_question(LONG, ("simple", "medium"), 0),
    ]

    assert max(tokens(question) for question in questions) <= PROMPT_TOKENS
    assert all(tokens(q) + q.max_tokens <= CONTEXT for q in questions)
    assert PROMPT_TOKENS + CODE_TOKENS <= CONTEXT
    assert tokens(plan_question("g" * 2000, [])) + PLAN_TOKENS <= CONTEXT


def test_what_is_cut_is_cut_in_the_middle_and_says_so() -> None:
    short = shorten("start" + "x" * 1000 + "end", 60)

    assert short.startswith("start")
    assert short.endswith("end")
    assert "[...]" in short
    assert len(short.encode()) <= 60
