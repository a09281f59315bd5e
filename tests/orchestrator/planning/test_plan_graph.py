"""The plan graph, with a scripted model and the real repair, classification and catalogue."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.durable_json import encode
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.graph import make_plan
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import ErrorClause, Task
from atos_protocol.errors import BadRequestError, LengthError, PlanRejectedError
from doubles.graph_ports import EventList, Killed, RecordedSteps
from doubles.plan_problems import problems
from doubles.scripted_model import ScriptedChat

LARGE = "Build an app that counts words"
"""A goal that no rule plans."""

TWO_TASKS = {
    "summary": "Parse, then print.",
    "tasks": [
        {
            "id": 1,
            "title": "Split a line into words",
            "kind": "code",
            "files": ["words.py"],
            "depends_on": [],
            "contract": "def words(line: str) -> list[str]",
            "acceptance": ["words('a b') -> ['a', 'b']"],
        },
        {
            "id": 2,
            "title": "Count words of a file",
            "kind": "code",
            "files": ["report.py"],
            "depends_on": [1],
            "contract": "def count(path: str) -> int",
            "acceptance": ["count('x') -> 0"],
        },
    ],
}


async def plan(
    goal: str,
    mini: scope.Scope | None,
    steps: RecordedSteps,
    chat: ScriptedChat,
    emit: EventList,
    *,
    given: Mapping[str, Any] | None = None,
    examples: tuple[str, ...] = (),
) -> Plan:
    strategy = strategy_named("mini" if mini else "general")
    found = encode(mini) if mini else None
    return await make_plan(PlanContext(goal, strategy, found, steps, chat, emit, given, examples))


def mini_scope(goal: str) -> scope.Scope:
    found = scope.check(goal)
    assert isinstance(found, scope.Scope)
    return found


async def test_a_good_plan_passes_in_one_ask() -> None:
    chat = ScriptedChat({"planner": [json.dumps(TWO_TASKS)]})
    steps, emit = RecordedSteps(), EventList()

    made = await plan(LARGE, None, steps, chat, emit)

    assert problems(made) == []
    assert [(t.id, t.depends_on, t.complexity) for t in made.tasks] == [
        ("T1", (), "simple"),
        ("T2", ("T1",), "simple"),
    ]
    assert steps.names == ["brief", "decompose.0", "repair.1", "classify"]
    assert emit.of("plan_ready") == snapshot(
        [
            {
                "tasks": [
                    {"id": "T1", "title": "Split a line into words", "complexity": "simple"},
                    {
                        "id": "T2",
                        "title": "Count words of a file",
                        "complexity": "simple",
                        "depends_on": ["T1"],
                    },
                ],
                "notes": [],
                "brief": {
                    "modules": 0,
                    "signatures": 0,
                    "examples": 0,
                    "errors": 0,
                    "constraints": 0,
                    "packages": 0,
                    "language": "python",
                },
            }
        ]
    )


async def test_a_rejected_plan_is_asked_for_once_more_with_every_fault_listed() -> None:
    docs_only = {"tasks": [{"id": 1, "title": "Explain", "kind": "docs", "files": ["a.md"]}]}
    chat = ScriptedChat({"planner": [json.dumps(docs_only), json.dumps(TWO_TASKS)]})

    made = await plan(LARGE, None, RecordedSteps(), chat, EventList())

    assert len(made.tasks) == 2
    again = chat.asked[1].messages[-1]["content"]
    assert "the plan has no task that writes code" in again


@pytest.mark.parametrize("bad", ["no JSON at all", LengthError("the reply ran into 1500 tokens")])
async def test_two_unreadable_replies_end_without_a_plan(bad: str | Exception) -> None:
    chat = ScriptedChat({"planner": [bad, bad]})

    with pytest.raises(PlanRejectedError):
        await plan(LARGE, None, RecordedSteps(), chat, EventList())

    assert chat.unused == {}


async def test_thinking_aloud_and_a_fence_around_the_json_do_no_harm() -> None:
    said = f"<think>hm {{}}</think>\n```json\n{json.dumps(TWO_TASKS)}\n```"
    chat = ScriptedChat({"planner": [said]})

    made = await plan(LARGE, None, RecordedSteps(), chat, EventList())

    assert len(made.tasks) == 2


async def test_a_doubtful_task_is_put_to_the_vote() -> None:
    hard = {"id": 1, "title": "Parser for lines", "kind": "code", "files": ["a.py", "b.py"]}
    raw = json.dumps({"tasks": [hard | {"contract": "def parse(text: str)"}]})
    votes = ['{"reason":"r","level":"medium"}', "garbage", '{"reason":"r","level":"medium"}']
    chat = ScriptedChat({"planner": [raw], "classifier": votes})
    steps = RecordedSteps()

    made = await plan(LARGE, None, steps, chat, EventList())

    assert made.tasks[0].complexity == "medium"
    assert steps.names == ["brief", "decompose.0", "repair.1", "classify"]


async def test_a_plan_of_the_host_is_repaired_and_no_model_is_asked() -> None:
    given = {
        "tasks": [
            {
                "id": "api",
                "title": "API",
                "kind": "code",
                "files": ["app.py"],
                "depends_on": ["db"],
            },
            {"id": "db", "title": "Tables", "files": ["app.py"], "complexity": "complex"},
        ]
    }

    made = await plan("An app", None, RecordedSteps(), ScriptedChat({}), EventList(), given=given)

    assert problems(made) == []
    assert encode(made) == snapshot(
        {
            "tasks": [
                {
                    "id": "T1",
                    "title": "API and Tables",
                    "kind": "code",
                    "files": ["app.py"],
                    "depends_on": [],
                    "contract": "",
                    "acceptance": [],
                    "reads": [],
                    "signatures": [],
                    "examples": [],
                    "errors": [],
                    "tests": "",
                    "packages": [],
                    "complexity": "complex",
                    "scope": None,
                }
            ],
            "summary": "",
            "notes": ["T1 and T2 are one task, because both write app.py"],
        }
    )


async def test_a_plan_of_the_host_that_is_beyond_repair_is_refused_with_its_faults() -> None:
    with pytest.raises(BadRequestError, match="no task that writes code"):
        await plan(
            "x",
            None,
            RecordedSteps(),
            ScriptedChat({}),
            EventList(),
            given={"tasks": [{"title": "Read me", "kind": "docs"}]},
        )


async def test_atos_mini_plans_what_the_scope_check_understood() -> None:
    wanted = mini_scope("Build a text toolkit: count words, reverse a string, check palindromes")
    chat = ScriptedChat({"planner": [dialect.plan_reply(wanted.wanted)]})

    made = await plan("…", wanted, RecordedSteps(), chat, EventList())

    assert encode(made) == snapshot(
        {
            "tasks": [
                {
                    "id": "T1",
                    "title": "count the words in a string",
                    "kind": "code",
                    "files": ["count_words.py"],
                    "depends_on": [],
                    "contract": "def count_words(text)",
                    "acceptance": [],
                    "reads": [],
                    "signatures": [],
                    "examples": [],
                    "errors": [],
                    "tests": "",
                    "packages": [],
                    "complexity": "simple",
                    "scope": {
                        "family": "count_words",
                        "slots": [],
                        "wording": "count the words in a string",
                    },
                },
                {
                    "id": "T2",
                    "title": "reverse a string",
                    "kind": "code",
                    "files": ["reverse_string.py"],
                    "depends_on": [],
                    "contract": "def reverse_string(text)",
                    "acceptance": [],
                    "reads": [],
                    "signatures": [],
                    "examples": [],
                    "errors": [],
                    "tests": "",
                    "packages": [],
                    "complexity": "simple",
                    "scope": {
                        "family": "reverse_string",
                        "slots": [],
                        "wording": "reverse a string",
                    },
                },
                {
                    "id": "T3",
                    "title": "check if a string is a palindrome",
                    "kind": "code",
                    "files": ["is_palindrome.py"],
                    "depends_on": [],
                    "contract": "def is_palindrome(text)",
                    "acceptance": [],
                    "reads": [],
                    "signatures": [],
                    "examples": [],
                    "errors": [],
                    "tests": "",
                    "packages": [],
                    "complexity": "simple",
                    "scope": {
                        "family": "is_palindrome",
                        "slots": [],
                        "wording": "check if a string is a palindrome",
                    },
                },
            ],
            "summary": "",
            "notes": [],
        }
    )
    assert chat.asked[0].pool == "mini"


async def test_a_plan_of_atos_mini_that_misses_what_was_wanted_fails_the_goal() -> None:
    wanted = mini_scope("Write a Python function to add two numbers")
    other = mini_scope("Write a Python function to reverse a string")
    reply = dialect.plan_reply(other.wanted)
    chat = ScriptedChat({"planner": [reply, reply]})

    with pytest.raises(PlanRejectedError, match="no task for 'add two numbers'"):
        await plan("…", wanted, RecordedSteps(), chat, EventList())


async def test_a_kill_after_the_model_answered_repeats_that_call_only() -> None:
    record = RecordedSteps(die_in="repair.1")
    emit = EventList()
    with pytest.raises(Killed):
        await plan(LARGE, None, record, ScriptedChat({"planner": [json.dumps(TWO_TASKS)]}), emit)

    made = await plan(LARGE, None, RecordedSteps(record.record), ScriptedChat({}), emit)

    assert len(made.tasks) == 2
    assert len(emit.of("plan_ready")) == len(emit.of("model_call")) == 1


async def test_a_goal_whose_words_say_what_the_tasks_are_is_planned_without_a_model() -> None:
    goal = "Write prices.py with parse(text): parse('1.50') == 1.5. It raises ValueError for empty input."
    steps, emit = RecordedSteps(), EventList()

    made = await plan(
        goal, None, steps, ScriptedChat({}), emit, examples=("assert parse('2') == 2",)
    )

    assert steps.names == ["brief", "repair.0", "classify"]
    assert made == Plan(
        (
            Task(
                "T1",
                goal[:80],
                files=("prices.py",),
                contract="parse(text)",
                signatures=("parse(text)",),
                examples=("assert parse('1.50') == 1.5", "assert parse('2') == 2"),
                errors=(ErrorClause("ValueError", "raises ValueError for empty input", "parse"),),
            ),
        )
    )
    assert emit.of("plan_ready") == [
        {
            "tasks": [{"id": "T1", "title": goal[:80], "complexity": "simple"}],
            "notes": [],
            "brief": {
                "modules": 1,
                "signatures": 1,
                "examples": 1,
                "errors": 1,
                "constraints": 0,
                "packages": 0,
                "language": "python",
            },
        }
    ]


async def test_what_the_goal_says_is_law_and_what_the_planner_says_is_a_hint() -> None:
    goal = f"{LARGE}: words(line). words('a b') == ['a', 'b']"
    steps = RecordedSteps()
    chat = ScriptedChat({"planner": [json.dumps(TWO_TASKS)]})
    goal += "\n" + "It has many features. " * 60

    made = await plan(goal, None, steps, chat, EventList())

    assert [(task.examples, task.signatures) for task in made.tasks] == [
        (("assert words('a b') == ['a', 'b']",), ("words(line)",)),
        ((), ("count(path: str) -> int",)),
    ]
    assert made.tasks[1].acceptance == ("count('x') -> 0",)


async def test_examples_tests_and_packages_of_a_plan_that_was_handed_in_are_law() -> None:
    tests = "from b import g\n\n\ndef test_g():\n    assert g() == 1\n"
    given = {
        "tasks": [
            {"id": 1, "title": "A", "files": ["a.py"], "acceptance": ["f(1) -> 2", "is fast"]},
            {"id": 2, "title": "B", "files": ["b.py"], "tests": tests, "packages": ["flask"]},
        ]
    }

    made = await plan(LARGE, None, RecordedSteps(), ScriptedChat({}), EventList(), given=given)

    assert made.tasks == (
        Task("T1", "A", files=("a.py",), acceptance=("is fast",), examples=("assert f(1) == 2",)),
        Task("T2", "B", files=("b.py",), tests=tests, packages=("flask",)),
    )


async def test_a_plan_that_was_handed_in_with_an_example_that_is_none_is_refused() -> None:
    given = {"tasks": [{"title": "A", "files": ["a.py"], "examples": ["f(x) is good"]}]}

    with pytest.raises(BadRequestError, match="T1: this is no example that can be checked"):
        await plan(LARGE, None, RecordedSteps(), ScriptedChat({}), EventList(), given=given)


async def test_a_planner_that_can_not_read_all_of_a_goal_is_announced() -> None:
    goal = f"{LARGE}. " + "It has many features. " * 500
    emit = EventList()

    await plan(
        goal, None, RecordedSteps(), ScriptedChat({"planner": [json.dumps(TWO_TASKS)]}), emit
    )

    assert emit.of("warning") == [
        {"text": f"The goal has {len(goal)} characters: the planner did not read its middle."}
    ]


async def test_atos_mini_plans_by_its_own_rules() -> None:
    wanted = mini_scope("Write a Python function to add two numbers")
    chat = ScriptedChat({"planner": [dialect.plan_reply(wanted.wanted)]})
    steps, emit = RecordedSteps(), EventList()

    await plan("Write a Python function to add two numbers", wanted, steps, chat, emit)

    assert steps.names == ["decompose.0", "repair.1", "classify"]
    assert list(emit.of("plan_ready")[0]) == ["tasks", "notes"]
