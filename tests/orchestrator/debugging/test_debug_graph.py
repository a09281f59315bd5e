"""The debug graph: scripted models, real files, tests that really run, real stubs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.debugging.graph import debug_task
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import encode
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.mini.catalogue import function
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import ErrorClause, Task
from atos_protocol.errors import LengthError
from atos_protocol.goals import Question
from atos_protocol.scheduler_api import Pool
from doubles.graph_ports import EventList, Killed, RecordedSteps
from doubles.plain_tools import PlainTools
from doubles.scripted_model import ScriptedChat

pytestmark = pytest.mark.timeout(60)

GOAL = "Write add.py with add(a, b) that adds two numbers"
EXAMPLE = "assert add(2, 3) == 5"
FENCE = "```python\n"
RIGHT = "def add(a, b):\n    return a + b\n"
OTHER = "def add(a, b):\n    return sum((a, b))\n"
WRONG = "def add(a, b):\n    return a - b\n"
BROKEN = "def add(a, b)\n    return a + b\n"
ROWS = (
    "assert add(1, 2) == 3\nassert add(5, 1) == 6\nassert add(2, 2) == 4\nassert add(1, 1) == 7\n"
)


def add_task(*examples: str, **fields: object) -> Task:
    task: dict[str, object] = {"signatures": ("add(a, b)",), "examples": examples, **fields}
    return Task("T1", "Add two numbers", files=("add.py",), **task)  # pyright: ignore[reportArgumentType]


def code(text: str) -> str:
    return f"{FENCE}{text}"


def pool(name: str, model: str, *, samples: int = 5, reflect: bool = False) -> Pool:
    return Pool(name, 4096, 2048, True, True, "chat", (model,), (), samples, reflect)


ONE_POOL = (pool("simple", "small"),)
TWO_POOLS = (pool("simple", "small"), pool("medium", "large"))


class Loop:
    """One task on one worktree."""

    def __init__(self, root: Path, replies: Mapping[str, Sequence[str | Exception]]) -> None:
        self.root = root
        self.chat = ScriptedChat(replies)
        self.steps = RecordedSteps()
        self.emit = EventList(task="T1")
        self.tools = PlainTools()

    async def run(
        self,
        task: Task,
        strategy: str = "general",
        *,
        pools: tuple[Pool, ...] = ONE_POOL,
        seeds: tuple[Mapping[str, str], ...] = (),
        goal: str = GOAL,
    ) -> TaskResult:
        context = DebugContext(
            task,
            TaskWorkspace(self.root, self.tools),
            strategy_named(strategy),
            self.steps,
            self.chat,
            self.emit,
            goal=goal,
            seeds=seeds,
            pools=pools,
        )
        return await debug_task(context)

    @property
    def asked(self) -> list[tuple[str, str, float]]:
        return [(call.role, call.pool, call.temperature) for call in self.chat.asked]


# Examples are law --------------------------------------------------------------------------------


async def test_sampling_stops_at_the_first_sample_where_it_meets_the_examples(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(RIGHT)]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds, result.proof) == ("done", 0, "examples")
    assert (tmp_path / "add.py").read_text() == RIGHT


async def test_after_a_wrong_one_two_candidates_that_meet_the_examples_have_to_agree(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG), code(RIGHT), code(OTHER)]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds, result.passed, result.proof) == (
        "done",
        2,
        1,
        "examples",
    )
    assert result.evidence.startswith("1 of 1 examples; fails on a stub and ")
    assert result.files == ("add.py", "tests/test_add.py")
    assert (tmp_path / "add.py").read_text() == RIGHT
    assert "assert add(2, 3) == 5" in (tmp_path / "tests/test_add.py").read_text()
    assert loop.steps.names == [
        "examples",
        "sample.0",
        "check.0",
        "evaluate.1.1",
        "sample.1",
        "check.1",
        "evaluate.2.1",
        "sample.2",
        "check.2",
        "evaluate.3.1",
        "select.3.1.0",
        "test.1.1",
        "finish",
    ]


async def test_after_a_wrong_one_what_two_candidates_differ_on_is_asked(tmp_path: Path) -> None:
    other = "def add(a, b):\n    return a + b if b else 7\n"
    coders = [code(each) for each in (WRONG, RIGHT, other, WRONG, WRONG)]
    loop = Loop(tmp_path, {"coder": coders})

    result = await loop.run(add_task(EXAMPLE, "assert add(1, 1) == 2"))

    assert (result.outcome, result.question) == (
        "needs_help",
        snapshot(Question(text="add(1, 0) gives 1 or 7?", call="add(1, 0)", options=("1", "7"))),
    )
    assert result.evidence.startswith(
        "2 of 2 examples, which candidates meet that differ elsewhere"
    )
    assert loop.chat.unused == {}


async def test_after_a_wrong_one_a_candidate_that_nobody_contradicts_is_taken(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG), code(RIGHT), *[code(WRONG)] * 3]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", RIGHT)
    assert loop.chat.unused == {}


async def test_code_that_a_person_hands_in_calls_for_no_second_opinion_of_the_model(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(RIGHT)]})

    result = await loop.run(add_task(EXAMPLE), seeds=({"add.py": WRONG},))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", RIGHT)


async def test_samples_differ_by_approach_and_share_their_beginning(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG)] * 4 + [code(RIGHT)]})

    await loop.run(add_task(EXAMPLE))

    assert [call.temperature for call in loop.chat.asked] == [0.0, 0.8, 0.8, 0.8, 0.8]
    prompts = [str(call.messages[-1]["content"]) for call in loop.chat.asked]
    assert len(set(prompts)) == 5
    assert all(prompt.startswith(GOAL) for prompt in prompts)
    assert {call.begin for call in loop.chat.asked} == {"```python\ndef add(a, b):\n"}


@pytest.mark.parametrize(
    "bad",
    [
        "I would add the two numbers.",
        FENCE,
        code("def add(a, b):\n    # rest of the code here\n    return a + b\n"),
        code("def plus(a, b):\n    return a + b\n"),
        LengthError("the reply ran into 400 tokens"),
    ],
)
async def test_a_reply_that_is_no_whole_file_costs_one_sample(
    tmp_path: Path, bad: str | Exception
) -> None:
    loop = Loop(tmp_path, {"coder": [bad, code(RIGHT)]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds) == ("done", 1)
    assert (tmp_path / "add.py").read_text() == RIGHT


async def test_code_that_does_not_compile_never_reaches_the_sandbox(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [code(BROKEN), code(RIGHT)]})

    await loop.run(add_task(EXAMPLE))

    assert [data["ok"] for data in loop.emit.of("syntax_checked")] == [False, True]
    assert [data["candidates"] for data in loop.emit.of("evaluated")] == [1]


async def test_code_with_hidden_characters_is_refused_told_and_stays_in_the_result(
    tmp_path: Path,
) -> None:
    hiding = RIGHT.replace("return", "# \u202e\n    return")
    loop = Loop(tmp_path, {"coder": [code(hiding), code(RIGHT)]})

    result = await loop.run(add_task(EXAMPLE))

    assert loop.emit.of("warning") == [
        {
            "text": "T1, candidate 1: add.py has a hidden character, line 2: U+202E RIGHT-TO-LEFT"
            " OVERRIDE: write it as an escape"
        }
    ]
    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", RIGHT)
    assert "1 of its candidates refused for hidden characters" in result.evidence


async def test_forgotten_imports_are_added_instead_of_asked_for(tmp_path: Path) -> None:
    forgetful = "def add(a, b):\n    return reduce(operator.add, [a, b])\n"
    loop = Loop(tmp_path, {"coder": [code(forgetful)]})

    result = await loop.run(add_task(EXAMPLE))

    assert result.outcome == "done"
    written = (tmp_path / "add.py").read_text()
    assert written.startswith("import operator\nfrom functools import reduce\n")


async def test_a_class_that_ends_before_its_last_method_is_continued(tmp_path: Path) -> None:
    begun = "class Box:\n    def put(self, item):\n        self.item = item\n\n    def get(self):\n"
    whole = f"{begun}        return self.item\n"
    first = code(begun.partition("\n\n")[0])
    loop = Loop(tmp_path, {"coder": [first, code(whole)]})
    example = "box = Box()\nbox.put(1)\nassert box.get() == 1"

    result = await loop.run(add_task(example, signatures=("class Box", "put(item)", "get()")))

    assert result.outcome == "done"
    assert (tmp_path / "add.py").read_text() == whole
    assert [call.begin for call in loop.chat.asked] == [FENCE, f"{FENCE}{begun}"]
    assert [data["round"] for data in loop.emit.of("code_written")] == [0]


async def test_a_module_that_it_builds_on_is_imported_where_a_reply_forgot_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "sums.py").write_text("def total(numbers):\n    return sum(numbers)\n")
    loop = Loop(tmp_path, {"coder": [code("def add(a, b):\n    return sums.total([a, b])\n")]})

    result = await loop.run(add_task(EXAMPLE, reads=("sums.py",)))

    assert result.outcome == "done"
    assert (tmp_path / "add.py").read_text().startswith("import sums\n")


async def test_a_mechanical_fault_is_repaired_once_after_all_samples(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [code(BROKEN)] + [code(WRONG)] * 4 + [code(RIGHT)]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds) == ("done", 5)
    repair = str(loop.chat.asked[-1].messages[-1]["content"])
    assert "line 1" in repair
    assert BROKEN in repair


async def test_wrong_values_are_sampled_anew_and_never_shown_the_old_program(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG), code(RIGHT), code(RIGHT)]})

    await loop.run(add_task(EXAMPLE))

    assert "a - b" not in str(loop.chat.asked[-1].messages)


async def test_models_that_can_reflect_name_the_cause_before_a_repair(tmp_path: Path) -> None:
    thought = '{"cause": "it subtracts", "change": "add"}'
    loop = Loop(tmp_path, {"coder": [code(WRONG), code(RIGHT)], "reflector": [thought]})
    pools = (pool("simple", "big", samples=1, reflect=True),)

    result = await loop.run(add_task(EXAMPLE), pools=pools)

    assert result.outcome == "done"
    assert "it subtracts" in str(loop.chat.asked[-1].messages)
    assert loop.emit.of("reflected")[0]["cause"] == "it subtracts"


async def test_what_one_pool_can_not_do_goes_on_in_the_next_and_then_needs_help(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG)] * 4})
    pools = (pool("simple", "small", samples=2), pool("medium", "larger", samples=2))

    result = await loop.run(add_task(EXAMPLE), pools=pools)

    assert (result.outcome, result.rounds, result.files) == ("needs_help", 3, ())
    assert [name for _, name, _ in loop.asked] == ["simple", "simple", "medium", "medium"]
    assert "assert add(2, 3) == 5: fail" in result.digest
    assert result.kept == ({"add.py": WRONG},)
    assert loop.chat.unused == {}


async def test_a_pool_with_the_same_model_is_no_escalation(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [code(WRONG)] * 2})
    pools = (pool("simple", "small", samples=2), pool("medium", "small"), pool("complex", "small"))

    result = await loop.run(add_task(EXAMPLE), pools=pools)

    assert (result.outcome, result.rounds) == ("needs_help", 1)


async def test_a_candidate_from_outside_is_judged_before_anything_is_sampled(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {})

    result = await loop.run(add_task(EXAMPLE), seeds=({"add.py": WRONG}, {"add.py": RIGHT}))

    assert (result.outcome, loop.chat.asked) == ("done", [])
    assert (tmp_path / "add.py").read_text() == RIGHT


async def test_more_candidates_than_one_run_takes_are_judged_in_several(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {})
    seeds = ({"add.py": WRONG},) * 13 + ({"add.py": RIGHT},)

    result = await loop.run(add_task(EXAMPLE), seeds=seeds)

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", RIGHT)
    assert loop.emit.of("evaluated")[0]["passed"] == [0] * 13 + [1]


async def test_tests_that_were_handed_in_decide(tmp_path: Path) -> None:
    suite = "from add import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    loop = Loop(tmp_path, {"coder": [code(WRONG), code(RIGHT)]})

    result = await loop.run(add_task(tests=suite))

    assert (result.outcome, result.proof, result.rounds) == ("done", "tests", 1)
    assert (tmp_path / "tests/test_add.py").read_text() == suite
    assert [run["which"] for run in loop.emit.of("tests_run")] == ["acceptance"] * 2


NO_CHECK = "I can't."
STRICT = "def add(a, b):\n    if a < 0:\n        raise ValueError('negative')\n    return a + b\n"
CLAUSE = ErrorClause("ValueError", "a debt raises ValueError", "add")
ERROR_ROW = "```python\n# a debt raises ValueError\nassert raises(ValueError, lambda: add(-1, 2))"


async def test_a_stated_error_that_no_example_shows_is_worth_more_samples(tmp_path: Path) -> None:
    scripts = {"coder": [code(RIGHT), code(STRICT)], "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [ERROR_ROW] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, result.rounds) == ("done", 3)
    assert result.evidence.startswith("1 of 1 examples, 1 of 1 stated errors; fails on a stub")
    assert (tmp_path / "add.py").read_text() == STRICT
    assert "pytest.raises(ValueError)" in (tmp_path / "tests/test_add.py").read_text()


async def test_an_error_that_an_example_shows_of_one_function_is_still_open_for_the_other(
    tmp_path: Path,
) -> None:
    both = STRICT + "\n\ndef twice(a):\n    return add(a, a)\n"
    shown = "assert raises(ValueError, lambda: add(-1, 0))"
    row = "```python\n# debts raise ValueError\nassert raises(ValueError, lambda: twice(-1))"
    task = add_task(
        EXAMPLE,
        shown,
        signatures=("add(a, b)", "twice(a)"),
        errors=(ErrorClause("ValueError", "debts raise ValueError"),),
    )
    rows = code("assert twice(2) == 4\n")
    loop = Loop(tmp_path, {"coder": [code(both)], "tester": [rows, row, row]})

    result = await loop.run(task)

    assert (result.outcome, result.rounds) == ("done", 0)
    assert [call.begin.rpartition("lambda: ")[2] for call in loop.chat.asked[2:]] == ["twice("] * 2
    assert result.evidence.startswith("2 of 2 examples (none of twice), 1 of 1 stated errors")


async def test_a_row_that_a_clause_gives_in_plain_words_is_made_without_a_model(
    tmp_path: Path,
) -> None:
    clause = ErrorClause("ValueError", "a negative b raises ValueError", "add")
    strict = STRICT.replace("if a < 0", "if b < 0")
    loop = Loop(tmp_path, {"coder": [code(strict)]})

    result = await loop.run(add_task(EXAMPLE, errors=(clause,)))

    assert (result.outcome, result.rounds) == ("done", 0)
    assert result.evidence.startswith("1 of 1 examples, 1 of 1 stated errors")
    assert len(loop.chat.asked) == 1


async def test_a_row_that_nobody_meets_beside_one_that_somebody_meets_asks_nobody(
    tmp_path: Path,
) -> None:
    valid = [f"assert raises(ValueError, lambda: add({a}, 2))" for a in (2, 3)]
    rows = "\n".join([ERROR_ROW, *valid])
    scripts = {"coder": [code(STRICT)] * 4, "checker": [NO_CHECK] * 2, "tester": [rows]}
    loop = Loop(tmp_path, scripts)

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert result.outcome == "done"
    assert result.evidence.startswith("1 of 1 examples, 1 of 1 stated errors")


CHECK = "def check_add(a, b):\n    # said\n    if a < 0:\n        raise ValueError('negative')\n    return None\n"
CHECKED = (
    "def _check_add(a, b):\n    # a debt raises ValueError\n    if a < 0:\n"
    "        raise ValueError('negative')\n\n\ndef add(a, b):\n    _check_add(a, b)\n    return a + b\n"
)


async def test_a_function_that_lacks_a_stated_error_gets_a_check_in_front(tmp_path: Path) -> None:
    scripts = {
        "coder": [code(RIGHT)],
        "tester": [ERROR_ROW] * 2,
        "checker": [NO_CHECK, code(CHECK)],
    }
    loop = Loop(tmp_path, scripts)

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", CHECKED)
    assert result.evidence.startswith("1 of 1 examples, 1 of 1 stated errors;")
    asked = [call for call in loop.chat.asked if call.role == "checker"]
    assert [call.temperature for call in asked] == [0.0, 0.8]
    assert asked[0].begin == f"{FENCE}def check_add(a, b):\n    # a debt raises ValueError\n"
    assert loop.emit.of("code_written")[-1]["guarded"] == 0


async def test_a_check_that_refuses_too_much_is_not_taken(tmp_path: Path) -> None:
    greedy = "def check_add(a, b):\n    raise ValueError\n"
    scripts = {"coder": [code(RIGHT)], "tester": [ERROR_ROW] * 2}
    loop = Loop(tmp_path, {**scripts, "checker": [code(greedy), code(CHECK)]})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", CHECKED)


async def test_what_was_agreed_gets_a_check_as_well(tmp_path: Path) -> None:
    testers = [code(ROWS), ERROR_ROW, ERROR_ROW, code(ROWS), code(ROWS)]
    scripts = {"coder": [code(RIGHT)] * 3 + [code(WRONG)] * 2, "tester": testers}
    loop = Loop(tmp_path, {**scripts, "checker": [code(CHECK)]})

    result = await loop.run(add_task(errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", CHECKED)
    assert "1 of 1 stated errors" in result.evidence


async def test_agreed_functions_get_their_checks_too(tmp_path: Path) -> None:
    wrong = both(WRONG, BAD_MINUS)
    coders = [both(RIGHT, MINUS)] * 3 + [wrong, wrong]
    testers = [code(ROWS), *[ERROR_ROW] * 2, *["I can't."] * 2, code(MINUS_ROWS), code(ROWS)]
    scripts = {"coder": coders, "tester": [*testers, code(ROWS)], "checker": [code(CHECK)]}
    loop = Loop(tmp_path, scripts)

    result = await loop.run(add_task(signatures=TWO, errors=(CLAUSE,)))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == f"{CHECKED}\n\n{MINUS}"


LOOK_UP = "def add(a, b):\n    return {1: 1, 2: 2, 5: 5}[a] + b\n"
"""An unknown a ends in KeyError, of which the goal does not speak."""
TRANSLATED = (
    "def add(a, b):\n    try:\n        return {1: 1, 2: 2, 5: 5}[a] + b\n"
    "    except KeyError as error:\n"
    '        raise ValueError(f"not valid: {error}") from error\n'
)


async def test_code_that_raises_another_error_than_the_stated_one_is_changed_without_a_model(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(LOOK_UP)], "tester": [ERROR_ROW] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", TRANSLATED)
    assert result.evidence.startswith("1 of 1 examples, 1 of 1 stated errors;")
    assert [role for role, _, _ in loop.asked] == ["coder", "tester", "tester"]
    assert loop.emit.of("code_written")[-1]["translated"] == 0


async def test_what_was_agreed_has_its_errors_translated_as_well(tmp_path: Path) -> None:
    testers = [code(ROWS), ERROR_ROW, ERROR_ROW, code(ROWS), code(ROWS)]
    coders = [code(LOOK_UP)] * 3 + [code(WRONG)] * 2
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task(errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", TRANSLATED)
    assert result.evidence.startswith(
        "3 assertions that 3 of 5 candidates pass, 1 of 1 stated errors"
    )


async def test_agreed_functions_have_their_errors_translated_too(tmp_path: Path) -> None:
    wrong = both(WRONG, BAD_MINUS)
    coders = [both(LOOK_UP, MINUS)] * 3 + [wrong, wrong]
    nothing = ["I can't."] * 2
    testers = [code(ROWS), *[ERROR_ROW] * 2, *nothing, code(MINUS_ROWS), *[code(ROWS)] * 2]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task(signatures=TWO, errors=(CLAUSE,)))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == both(TRANSLATED, MINUS).removeprefix(FENCE)
    assert "1 of 1 stated errors" in result.evidence


async def test_an_error_that_is_raised_before_the_body_begins_is_not_translated_for_ever(
    tmp_path: Path,
) -> None:
    row = ERROR_ROW.replace("add(-1, 2)", "add(-1)")
    scripts = {"coder": [code(RIGHT)] * 4, "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [row] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert result.outcome == "needs_help"
    assert result.evidence == "1 of 1 examples, 0 of 1 stated errors"
    assert len([each for each in loop.emit.of("code_written") if "translated" in each]) == 1


async def test_testers_that_have_nothing_to_say_about_a_stated_error_change_nothing(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [code(RIGHT)], "tester": ["I can't."] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, result.rounds, result.proof) == ("done", 0, "examples")
    assert result.evidence.startswith("1 of 1 examples, 1 stated error untested; fails on a stub")


async def test_a_stated_error_that_nobody_raises_is_asked_about(tmp_path: Path) -> None:
    scripts = {"coder": [code(RIGHT)] * 4, "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [ERROR_ROW] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, result.kept) == ("needs_help", ({"add.py": RIGHT},))
    assert result.evidence == "1 of 1 examples, 0 of 1 stated errors"
    assert result.question == Question(
        "add(-1, 2) gives 1 or raises ValueError?", "add(-1, 2)", ("1", "raises ValueError")
    )


async def test_an_answer_settles_what_a_wrong_row_has_asked(tmp_path: Path) -> None:
    answered = "assert add(1, 2) == 3"
    scripts = {"tester": [ERROR_ROW.replace("add(-1, 2)", "add(1, 2)"), ERROR_ROW]}
    loop = Loop(tmp_path, {**scripts, "checker": [code(CHECK)]})

    result = await loop.run(
        add_task(EXAMPLE, answered, errors=(CLAUSE,)), seeds=({"add.py": RIGHT},)
    )

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", CHECKED)


async def test_a_goal_goes_on_in_the_next_pool_where_nobody_raises_a_stated_error(
    tmp_path: Path,
) -> None:
    coders, rows = [code(RIGHT)] * 4 + [code(STRICT)], [ERROR_ROW] * 2
    loop = Loop(tmp_path, {"coder": coders, "tester": rows * 2, "checker": [NO_CHECK] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)), pools=TWO_POOLS)

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", STRICT)


async def test_replies_that_can_not_be_used_end_the_search_for_a_stated_error(
    tmp_path: Path,
) -> None:
    scripts = {"coder": [code(RIGHT)] + [code(BROKEN)] * 3, "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [ERROR_ROW] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert (result.outcome, result.rounds) == ("needs_help", 5)
    assert loop.chat.unused == {}


async def test_the_code_of_a_person_is_taken_as_it_is(tmp_path: Path) -> None:
    own = f"{RIGHT}\n\nadd(1, 2)\n"
    loop = Loop(tmp_path, {})

    await loop.run(add_task(EXAMPLE), seeds=({"add.py": own},))

    assert (tmp_path / "add.py").read_text() == own


async def test_code_that_does_other_things_otherwise_is_no_refinement(tmp_path: Path) -> None:
    wrong = ERROR_ROW.replace("add(-1, 2)", "add(1, 2)")
    other = "def add(a, b):\n    return 5\n"
    scripts = {"coder": [code(RIGHT)] + [code(other)] * 3, "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [wrong] * 2})

    result = await loop.run(add_task(EXAMPLE, errors=(CLAUSE,)))

    assert result.kept == ({"add.py": RIGHT},)


# Function by function ------------------------------------------------------------------------------

MINUS = "def minus(a, b):\n    return a - b\n"
BAD_MINUS = "def minus(a, b):\n    return b - a\n"
TWO = ("add(a, b)", "minus(a, b)")
MINUS_EXAMPLE = "assert minus(5, 3) == 2"


def both(first: str, second: str) -> str:
    return code(f"{first}\n\n{second}")


async def test_what_is_right_in_two_candidates_is_put_together(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [both(RIGHT, BAD_MINUS), both(WRONG, MINUS)]})

    result = await loop.run(add_task(EXAMPLE, MINUS_EXAMPLE, signatures=TWO))

    assert (result.outcome, result.proof, result.model) == ("done", "examples", "scripted")
    assert (tmp_path / "add.py").read_text() == f"{RIGHT}\n\n{MINUS}"
    assert loop.emit.of("code_written")[-1]["parts"] == [0, 1]
    assert loop.chat.unused == {}


async def test_a_further_sample_writes_only_the_function_whose_examples_nobody_meets(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [both(RIGHT, BAD_MINUS), both(RIGHT, MINUS)]})

    await loop.run(add_task(EXAMPLE, MINUS_EXAMPLE, signatures=TWO))

    assert [call.begin for call in loop.chat.asked] == [
        FENCE,
        f"{FENCE}{RIGHT}\n\ndef minus(a, b):\n    # minus(5, 3) == 2\n",
    ]
    assert "\ndef " in loop.chat.asked[-1].stop


async def test_a_stated_error_stands_as_a_comment_above_the_code_that_is_to_raise_it(
    tmp_path: Path,
) -> None:
    tester = [ERROR_ROW] * 2
    coders = [both(RIGHT, MINUS), both(MINUS, STRICT)]
    clause = ErrorClause("ValueError", "add raises ValueError for a negative a", "add")
    loop = Loop(tmp_path, {"coder": coders, "tester": tester, "checker": [NO_CHECK] * 2})
    task = add_task(EXAMPLE, MINUS_EXAMPLE, signatures=TWO, errors=(clause,))

    result = await loop.run(task)

    assert loop.chat.asked[-1].begin == (
        f"{FENCE}{MINUS}\n\ndef add(a, b):\n    # add raises ValueError for a negative a\n"
    )
    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", f"{MINUS}\n\n{STRICT}")


async def test_a_long_search_for_the_examples_leaves_enough_for_a_stated_error(
    tmp_path: Path,
) -> None:
    wrong = [both(RIGHT, f"def minus(a, b):\n    return {10 + at}\n") for at in range(7)]
    coders = [*wrong, both(RIGHT, MINUS), both(STRICT, MINUS)]
    scripts = {"coder": coders, "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": [ERROR_ROW] * 2})
    clause = ErrorClause(CLAUSE.error, "add of a debt raises ValueError", "add")
    task = add_task("assert add(2, 3) == 5", MINUS_EXAMPLE, signatures=TWO, errors=(clause,))

    result = await loop.run(task)

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", f"{STRICT}\n\n{MINUS}")
    assert "1 of 1 stated errors" in result.evidence


MINUS_ROWS = "assert minus(3, 1) == 2\nassert minus(5, 1) == 4\nassert minus(4, 1) == 3\n"


async def test_a_function_without_an_example_is_backed_by_a_testers_assertions(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [both(RIGHT, MINUS)], "tester": [code(MINUS_ROWS)]})

    result = await loop.run(add_task(EXAMPLE, signatures=TWO))

    assert (result.rounds, loop.chat.asked[1].begin) == (0, f"{FENCE}assert minus(")
    assert result.evidence.startswith("1 of 1 examples (none of minus); fails on a stub")
    assert "assert minus(3, 1) == 2" in (tmp_path / "tests/test_add.py").read_text()


async def test_a_function_without_an_example_that_fails_its_assertions_is_written_anew(
    tmp_path: Path,
) -> None:
    coders = [both(RIGHT, BAD_MINUS), both(RIGHT, MINUS), both(RIGHT, MINUS)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(MINUS_ROWS)]})

    result = await loop.run(add_task(EXAMPLE, signatures=TWO))

    assert [call.begin for call in loop.chat.asked[2:]] == [
        f"{FENCE}{RIGHT.strip()}\n\n\ndef minus(a, b):\n"
    ] * 2
    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", f"{RIGHT}\n\n{MINUS}")


async def test_what_kept_a_function_has_no_vote_about_it(tmp_path: Path) -> None:
    """The second and third sample begin with `add` as it was and write `minus`: one candidate for `add`."""
    coders = [both(RIGHT, BAD_MINUS)] * 3
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(MINUS_ROWS)]})

    result = await loop.run(add_task(EXAMPLE, signatures=TWO))

    assert (result.outcome, result.rounds) == ("done", 2)


SUM = "def total(values):\n    return sum(values)\n"
CRASHING = "def total(values):\n    return values[0] + sum(values[1:])\n"


async def test_something_empty_that_crashes_is_worth_one_more_sample(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"coder": [code(CRASHING), code(SUM)]})
    task = add_task("assert total([1, 2]) == 3", signatures=("total(values)",))

    result = await loop.run(task)

    assert loop.chat.asked[1].begin == (
        f"{FENCE}def total(values):\n    # total([]) has a result, too\n"
    )
    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", SUM)


@pytest.mark.parametrize("second", [CRASHING, "def total(values):\n    return len(values) + 1\n"])
async def test_a_sample_that_does_not_mend_the_crash_or_does_other_things_too_is_not_preferred(
    tmp_path: Path, second: str
) -> None:
    loop = Loop(tmp_path, {"coder": [code(CRASHING), code(second)]})

    result = await loop.run(add_task("assert total([1, 2]) == 3", signatures=("total(values)",)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", CRASHING)


async def test_code_that_changes_its_argument_is_worth_one_more_sample(tmp_path: Path) -> None:
    spoiling = "def last(values):\n    values.sort()\n    return values[-1]\n"
    sparing = "def last(values):\n    return max(values)\n"
    first = spoiling.replace(
        "    return", "    if not values:\n        raise ValueError\n    return"
    )
    second = sparing.replace(
        "    return", "    if not values:\n        raise ValueError\n    return"
    )
    loop = Loop(tmp_path, {"coder": [code(first), code(second)]})
    task = add_task("assert last([3, 1, 2]) == 3", signatures=("last(values)",))

    result = await loop.run(task)

    assert loop.chat.asked[1].begin.endswith("    # The arguments stay as they are\n")
    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", second)


async def test_functions_are_agreed_on_one_by_one(tmp_path: Path) -> None:
    coders = [
        both(RIGHT, BAD_MINUS),
        both(OTHER, BAD_MINUS.replace("b - a", "abs(b - a) + 1")),
        both(WRONG, MINUS),
        both(WRONG.replace("a - b", "a * b"), MINUS.replace("a - b", "-(b - a)")),
        both(WRONG.replace("a - b", "a"), MINUS),
    ]
    testers = [code(ROWS), code(MINUS_ROWS), code(ROWS)]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task(signatures=TWO))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith(
        "add: 3 assertions that 2 of 5 candidates pass; minus: 3 assertions that 3 of 5 candidates pass"
    )
    assert (tmp_path / "add.py").read_text() == f"{RIGHT}\n\n{MINUS}"


async def test_the_question_is_about_the_function_that_is_open_and_the_rest_is_kept(
    tmp_path: Path,
) -> None:
    coders = [
        both(RIGHT, MINUS),
        both(OTHER, BAD_MINUS),
        both(RIGHT, "def minus(a, b):\n    return a\n"),
        both(WRONG, "def minus(a, b):\n    return b\n"),
        both(WRONG, "def minus(a, b):\n    return 0\n"),
        *(both(RIGHT, f"def minus(a, b):\n    return {n}\n") for n in (7, 8, 9)),
    ]
    rows = "assert minus(3, 1) == 2\nassert minus(3, 1) == 3\n"
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(ROWS), *[code(rows)] * 4]})

    result = await loop.run(add_task(signatures=TWO))

    assert (result.outcome, result.question) == (
        "needs_help",
        Question("minus(0, 1) gives -1 or 0?", "minus(0, 1)", ("-1", "0")),
    )
    assert [text["add.py"].startswith(RIGHT) for text in result.kept] == [True, True]


# Agreement, where there is no example --------------------------------------------------------------


async def test_candidates_and_assertions_that_vouch_for_each_other_are_accepted_as_agreed(
    tmp_path: Path,
) -> None:
    coders = [code(WRONG), code(RIGHT), code(OTHER), code(WRONG), code(RIGHT)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(ROWS), "nothing", code(ROWS)]})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("3 assertions that 3 of 5 candidates pass; fails on a stub")
    assert (tmp_path / "add.py").read_text() == RIGHT
    delivered = (tmp_path / "tests/test_add.py").read_text()
    assert "add(5, 1) == 6" in delivered
    assert "add(1, 1) == 7" not in delivered
    dropped = loop.emit.of("selected")[-1]["dropped"]
    assert [row["assertion"] for row in dropped] == ["assert add(1, 1) == 7"]


async def test_a_tester_without_a_usable_reply_costs_its_own_rows_only(tmp_path: Path) -> None:
    testers = [LengthError("the reply is empty"), code(ROWS), code(ROWS)]
    coders = [code(WRONG), code(RIGHT), code(OTHER), code(WRONG), code(RIGHT)]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("done", "agreed")


async def test_doubt_becomes_one_distinguishing_input_and_both_programs_are_kept(
    tmp_path: Path,
) -> None:
    rows = "assert add(1, 2) == 3\nassert add(5, 0) == 5\nassert add(5, 1) == 4\n"
    coders = [code(RIGHT), code(WRONG), code(WRONG), code(RIGHT), BROKEN, BROKEN, BROKEN, BROKEN]
    loop = Loop(tmp_path, {"coder": [*coders, RIGHT], "tester": [code(rows)] * 5})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("needs_help", "")
    assert result.question == Question("add(0, 1) gives 1 or -1?", "add(0, 1)", ("1", "-1"))
    assert result.kept == ({"add.py": RIGHT}, {"add.py": WRONG})
    assert loop.emit.of("asked")[0]["question"]["options"] == ["1", "-1"]


async def test_a_further_sample_may_decide_what_five_leave_open(tmp_path: Path) -> None:
    coders = [code(RIGHT), BROKEN, BROKEN, BROKEN, code(WRONG), code(OTHER)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(ROWS)] * 3})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("3 assertions that 2 of 3 candidates pass")


async def test_a_further_sample_writes_only_the_function_that_is_undecided(tmp_path: Path) -> None:
    wrong = [f"def minus(a, b):\n    return a * b + {n}\n" for n in range(3)]
    coders = [both(RIGHT, MINUS), *(both(RIGHT, each) for each in wrong), BROKEN]
    testers = [code(ROWS), code(MINUS_ROWS), code(ROWS)]
    loop = Loop(tmp_path, {"coder": [*coders, both(RIGHT, MINUS)], "tester": testers})

    result = await loop.run(add_task(signatures=TWO))

    assert loop.chat.asked[-1].begin == f"{FENCE}{RIGHT.strip()}\n\n\ndef minus(a, b):\n"
    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("add: 3 assertions that 4 of 4 candidates pass; minus: ")


async def test_what_comes_back_is_evidence_where_testers_confuse_two_functions(
    tmp_path: Path,
) -> None:
    encode, decode = "def encode(n):\n    return n + 3\n", "def decode(n):\n    return n - 3\n"
    wrong = [decode.replace("n - 3", each) for each in ("n + 3", "n * 2", "0")]
    coders = [both(encode, each) for each in (wrong[0], decode, wrong[1], decode, wrong[2])]
    rows = "assert encode(1) == 4\nassert encode(2) == 5\nassert encode(-3) == 0\n"
    confused = "assert decode(1) == 4\nassert decode(2) == 5\n"
    testers = [code(rows), code(confused), code(rows)]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task(signatures=("encode(n)", "decode(n)")))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == f"{encode}\n\n{decode}"
    assert "decode: 3 assertions that 2 of 5 candidates pass" in result.evidence
    tests = (tmp_path / "tests/test_add.py").read_text()
    assert "# What one function makes, the other undoes." in tests


LOG_GOAL = """Write logs.py. A line of a log is like this one:
12:00:05 ERROR disk: full
count_levels(path) returns a dict from level to the number of its lines."""
COUNT = """def count_levels(path):
    found = {}
    for line in open(path):
        parts = line.split()
        if len(parts) > 2 and parts[2].endswith(':'):
            found[parts[1]] = found.get(parts[1], 0) + 1
    return found
"""


async def test_what_reads_a_file_is_judged_on_a_file_that_was_written_first(tmp_path: Path) -> None:
    again = COUNT.replace("found", "levels")
    wrong = [COUNT.replace("parts[1]", f"parts[{at}]") for at in (0, 2)]
    row = """```python
from logs import *


def test_count_levels():
    open('input.txt', 'w').write('12:00:05 ERROR disk: full\\n12:00:06 INFO web: up\\n')
    assert count_levels('input.txt') == {'ERROR': 1, 'INFO': 1}
"""
    coders = [code(each) for each in (COUNT, wrong[0], again, wrong[1], BROKEN)]
    rows = [row, row.replace("INFO", "DEBUG"), row.replace("ERROR", "WARNING")]
    loop = Loop(tmp_path, {"coder": coders, "tester": rows})
    task = Task("T1", "Count", files=("logs.py",), signatures=("count_levels(path)",))

    result = await loop.run(task, goal=LOG_GOAL)

    assert loop.chat.asked[5].begin.endswith(
        "def test_count_levels():\n    open('input.txt', 'w').write('12:00:05 ERROR disk: full\\n"
    )
    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("3 assertions that 2 of 4 candidates pass")
    tests = (tmp_path / "tests/test_logs.py").read_text()
    assert (
        "(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path)\n    open('input.txt'" in tests
    )


TIMES = RIGHT.replace("a + b", "a * b")


async def test_candidates_that_agree_are_believed_only_where_assertions_hold(
    tmp_path: Path,
) -> None:
    few = "assert add(1, 2) == 3\nassert add(1, 1) == 7\n"
    coders = [code(RIGHT), code(OTHER), code(RIGHT), code(WRONG), code(TIMES)]
    more = ["assert add(5, 1) == 6\n", "assert add(2, 2) == 4\n"]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(few)] * 3 + [code(e) for e in more]})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("3 assertions that 3 of 5 candidates pass")
    assert [call.begin for call in loop.chat.asked[-2:]] == [f"{FENCE}assert add("] * 2


async def test_candidates_that_agree_without_assertions_are_asked_about(tmp_path: Path) -> None:
    few = "assert add(1, 2) == 3\nassert add(1, 1) == 7\n"
    coders = [code(each) for each in (RIGHT, WRONG, RIGHT, TIMES, RIGHT)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(few)] * 5})

    result = await loop.run(add_task())

    assert (result.outcome, result.rounds) == ("needs_help", 4), (
        "another sample would change nothing"
    )
    assert result.digest.startswith("not enough to accept: 1 assertion that 3 of 5 candidates pass")


async def test_where_nearly_all_agree_no_assertion_is_needed(tmp_path: Path) -> None:
    few = "assert add(1, 2) == 3\nassert add(1, 1) == 7\n"
    coders = [code(each) for each in (RIGHT, OTHER, WRONG, RIGHT, OTHER)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(few)] * 3})

    result = await loop.run(add_task())

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert result.evidence.startswith("1 assertion that 4 of 5 candidates pass")
    tests = (tmp_path / "tests/test_add.py").read_text()
    assert "# Values that independent candidates give; nobody else has confirmed them." in tests
    assert "assert add(1, 1) == 2" in tests


async def test_no_candidate_that_stands_alone_is_accepted(tmp_path: Path) -> None:
    pools = (pool("simple", "small", samples=1),)
    coders = [code(RIGHT), BROKEN, BROKEN, BROKEN, BROKEN]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(ROWS)] * 3})

    result = await loop.run(add_task(), pools=pools)

    assert result.outcome == "needs_help"
    assert "3 assertions that 1 of 1 candidates pass" in result.digest


async def test_rows_for_a_stated_error_are_begun_by_rule(tmp_path: Path) -> None:
    strict = (
        "def add(a, b):\n    if a < 0:\n        raise ValueError('negative')\n    return a + b\n"
    )
    begun = "```python\n# a debt raises ValueError\nassert raises(ValueError, lambda: add(-1, 2))"
    clause = ErrorClause("ValueError", "a debt raises ValueError", "add")
    testers = [code(ROWS), begun, begun, code(ROWS), code(ROWS)]
    loop = Loop(tmp_path, {"coder": [code(strict)] * 3 + [code(RIGHT)] * 2, "tester": testers})

    result = await loop.run(add_task(errors=(clause,)))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == strict
    asked = [call for call in loop.chat.asked if "lambda: add(" in call.begin]
    assert len(asked) == 2  # the first holds one row only
    assert all("# a debt raises ValueError" in call.begin for call in asked)


async def test_what_is_agreed_gets_more_samples_for_a_stated_error_that_it_does_not_raise(
    tmp_path: Path,
) -> None:
    testers = [code(ROWS), ERROR_ROW, ERROR_ROW, code(ROWS), code(ROWS)]
    coders = [code(RIGHT), code(OTHER), *[code(WRONG)] * 2, code(RIGHT)]
    scripts = {"coder": [*coders, code(WRONG), code(STRICT)], "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": testers})

    result = await loop.run(add_task(errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", STRICT)
    assert result.evidence.startswith(
        "3 assertions that 3 of 5 candidates pass, 1 of 1 stated errors"
    )
    assert "# a debt raises ValueError" in loop.chat.asked[-1].begin


async def test_what_was_agreed_stays_agreed_whatever_is_drawn_for_a_stated_error(
    tmp_path: Path,
) -> None:
    testers = [code(ROWS), ERROR_ROW, ERROR_ROW, code(ROWS), code(ROWS)]
    coders = [code(RIGHT), code(OTHER), *[code(WRONG)] * 2, code(RIGHT), *[code(WRONG)] * 3]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers, "checker": [NO_CHECK] * 2})

    result = await loop.run(add_task(errors=(CLAUSE,)))

    assert (result.outcome, result.kept) == ("needs_help", ({"add.py": RIGHT},))
    assert ", 0 of 1 stated errors" in result.evidence


async def test_one_that_refuses_what_the_goal_says_agrees_with_those_that_forgot_it(
    tmp_path: Path,
) -> None:
    testers = [code(ROWS), ERROR_ROW, ERROR_ROW, code(ROWS), code(ROWS)]
    coders = [code(RIGHT), code(WRONG), code(STRICT), code(WRONG.replace("a - b", "a * b")), BROKEN]
    loop = Loop(tmp_path, {"coder": coders, "tester": testers})

    result = await loop.run(add_task(errors=(CLAUSE,)))

    assert (result.outcome, (tmp_path / "add.py").read_text()) == ("done", STRICT)
    assert result.evidence.startswith("3 assertions that 2 of 4 candidates pass, 1 of 1 stated")


async def test_agreed_functions_raise_what_the_goal_says_or_are_written_once_more(
    tmp_path: Path,
) -> None:
    wrong = both(WRONG, BAD_MINUS)
    coders = [both(RIGHT, MINUS), both(STRICT, MINUS), both(OTHER, MINUS), wrong, wrong]
    strict_minus = MINUS.replace(
        "    return", "    if a < 0:\n        raise ValueError\n    return"
    )
    minus_row = ERROR_ROW.replace("add(", "minus(")
    testers = [code(ROWS), *[ERROR_ROW] * 2, *[minus_row] * 2, code(MINUS_ROWS), *[code(ROWS)] * 2]
    scripts = {"coder": [*coders, both(RIGHT, strict_minus)], "checker": [NO_CHECK] * 2}
    loop = Loop(tmp_path, {**scripts, "tester": testers})

    result = await loop.run(add_task(signatures=TWO, errors=(CLAUSE,)))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == f"{STRICT}\n\n{strict_minus}"
    assert "# a debt raises ValueError" in loop.chat.asked[-1].begin


async def test_examples_that_pass_on_a_stub_do_not_decide_alone(tmp_path: Path) -> None:
    idle = "assert add(2, 3) in {add(2, 3), 5}"
    coders = [code(WRONG), code(RIGHT), code(OTHER), code(RIGHT), code(RIGHT)]
    loop = Loop(tmp_path, {"coder": coders, "tester": [code(ROWS)] * 3})

    result = await loop.run(add_task(idle))

    assert (result.outcome, result.proof) == ("done", "agreed")
    assert (tmp_path / "add.py").read_text() == RIGHT


# What can't be run ---------------------------------------------------------------------------------


async def test_a_page_of_documentation_is_written_without_tests(tmp_path: Path) -> None:
    page = Task(id="T1", title="Explain it", kind="docs", files=("docs/use.md",))
    reply = "```markdown docs/use.md\n# Use\n\n```python\nadd(1, 2)\n```\n```\n"
    loop = Loop(tmp_path, {"writer": [reply]})

    result = await loop.run(page)

    assert (result.files, result.proof) == (("docs/use.md",), "unproven")
    assert (tmp_path / "docs/use.md").read_text() == "# Use\n\n```python\nadd(1, 2)\n```\n"


async def test_a_test_task_must_fail_on_stubs_of_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text(RIGHT)
    suite = "from add import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    task = Task(id="T1", title="Test add", kind="test", files=("tests/test_more.py",))
    loop = Loop(tmp_path, {"coder": [code("def test_idle():\n    assert 1\n"), code(suite)]})

    result = await loop.run(task)

    assert (result.outcome, result.passed, result.rounds) == ("done", 1, 1)


async def test_a_file_that_is_there_is_shown_and_must_keep_what_it_defines(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text("def twice(a):\n    return 2 * a\n")
    both = f"def twice(a):\n    return 2 * a\n\n\n{RIGHT}"
    loop = Loop(tmp_path, {"coder": [code(RIGHT), code(both)]})

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds) == ("done", 1)
    assert "def twice(a):" in str(loop.chat.asked[0].messages[-1]["content"])
    assert "twice" in (tmp_path / "add.py").read_text()


# atos-mini -------------------------------------------------------------------------------


def mini_task(goal: str = "Write a Python function to add two numbers") -> Task:
    found = scope.check(goal)
    assert isinstance(found, scope.Scope)
    wanted = found.wanted[0]
    return Task(id="T1", title=wanted.wording, files=("add.py",), scope=encode(wanted))


def mini_reply(own_tests: str | None = None) -> str:
    found = scope.check("Write a Python function to add two numbers")
    assert isinstance(found, scope.Scope)
    reply = dialect.code_reply(function(found.wanted[0]))
    if own_tests is None:
        return reply
    return reply.rpartition("```python\n")[0] + f"```python\n{own_tests}```"


async def test_the_acceptance_test_of_the_catalogue_accepts_and_good_model_tests_stay(
    tmp_path: Path,
) -> None:
    loop = Loop(tmp_path, {"coder": [mini_reply()]})

    result = await loop.run(mini_task(), "mini")

    assert result.files == ("add.py", "tests/test_add.py", "tests/test_add_by_model.py")
    assert {data["which"] for data in loop.emit.of("tests_run")} == {"acceptance", "model", "stub"}
    assert loop.steps.names == [
        "examples",
        "sample.0",
        "check.0",
        "select.1.0.0",
        "test.0.0",
        "finish",
    ]
    policies = {a["policy"] for _, tool, a in loop.tools.calls if tool == "run_pytest"}
    assert policies == {"catalogue"}


@pytest.mark.parametrize(
    "own",
    [
        "from add import add\n\n\ndef test_add():\n    assert add(2, 3) == 7\n",
        "from add import add\n\n\ndef test_add():\n    add(2, 3)\n",
    ],
)
async def test_model_tests_that_are_wrong_or_prove_nothing_are_dropped(
    tmp_path: Path, own: str
) -> None:
    loop = Loop(tmp_path, {"coder": [mini_reply(own)]})

    result = await loop.run(mini_task(), "mini")

    assert (result.outcome, result.files) == ("done", ("add.py", "tests/test_add.py"))
    assert "was dropped" in loop.emit.of("warning")[0]["text"]


async def test_model_tests_can_not_accept_what_the_acceptance_test_rejects(tmp_path: Path) -> None:
    lie = "```python\ndef add(a, b):\n    return a - b\n```\n\n```python\nfrom add import add\n\n\ndef test_add():\n    assert add(2, 3) == -1\n```"
    loop = Loop(tmp_path, {"coder": [lie] * 4})

    result = await loop.run(mini_task(), "mini")

    assert (result.outcome, result.rounds) == ("needs_help", 3)
    assert [call.temperature for call in loop.chat.asked] == [0.0, 0.7, 0.7, 0.7]


# Crashes ---------------------------------------------------------------------------------

STEPS = ["sample.0", "check.0", "evaluate.1.1", "sample.1", "evaluate.2.1", "test.1.1", "finish"]
# the second one meets the example, the third one agrees with it


@pytest.mark.parametrize("die_in", STEPS)
async def test_a_kill_in_any_step_ends_in_the_same_files_and_events(
    tmp_path: Path, die_in: str
) -> None:
    script = {"coder": [code(WRONG), code(RIGHT), code(RIGHT)]}
    loop = Loop(tmp_path, script)
    loop.steps.die_in = die_in
    with pytest.raises(Killed):
        await loop.run(add_task(EXAMPLE))
    # What the killed step asked for is asked for again, and gets the same answer again.
    asked = len(loop.chat.asked) - die_in.startswith("sample")
    loop.chat = ScriptedChat({"coder": script["coder"][asked:]})
    loop.steps = RecordedSteps(loop.steps.record)

    result = await loop.run(add_task(EXAMPLE))

    assert (result.outcome, result.rounds) == ("done", 2)
    assert (tmp_path / "add.py").read_text() == RIGHT
    assert len(loop.emit.of("model_call")) == 3
    assert loop.chat.unused == {}
