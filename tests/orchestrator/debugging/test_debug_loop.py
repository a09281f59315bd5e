"""The debug loop: scripted models, real files, tests that really run, real stubs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from atos_orchestrator.debugging.graph import debug_task
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import encode
from atos_orchestrator.strategies.mini import dialect, scope
from atos_orchestrator.strategies.mini.catalogue import function
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import Task
from atos_protocol.errors import LengthError
from doubles.graph_ports import EventList, Killed, RecordedSteps
from doubles.plain_tools import PlainTools
from doubles.scripted_model import ScriptedChat

pytestmark = pytest.mark.timeout(60)

ADD = Task(
    id="T1",
    title="Add two numbers",
    files=("add.py",),
    contract="def add(a: int, b: int) -> int",
    acceptance=("add(2, 3) -> 5",),
)
GOOD_TESTS = "from add import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n"
IDLE_TESTS = "from add import add\n\n\ndef test_add():\n    assert add(2, 3) in {add(2, 3), 5}\n"
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
BROKEN = "def add(a, b)\n    return a + b\n"


def fenced(path: str, text: str) -> str:
    return f"Here it is:\n```python {path}\n{text}```\n"


def code(text: str) -> str:
    return fenced("add.py", text)


def suite(text: str = GOOD_TESTS) -> str:
    return fenced("tests/test_add.py", text)


def thought(cause: str, *, test_wrong: bool = False) -> str:
    return json.dumps({"symptom": "s", "cause": cause, "change": "c", "test_wrong": test_wrong})


class Loop:
    """One task on one worktree."""

    def __init__(self, root: Path, replies: Mapping[str, Sequence[str | Exception]]) -> None:
        self.root = root
        self.chat = ScriptedChat(replies)
        self.steps = RecordedSteps()
        self.emit = EventList(task="T1")
        self.tools = PlainTools()

    async def run(self, task: Task = ADD, strategy: str = "general") -> TaskResult:
        workspace = TaskWorkspace(self.root, self.tools)
        return await debug_task(
            DebugContext(
                task, workspace, strategy_named(strategy), self.steps, self.chat, self.emit
            )
        )


async def test_code_that_passes_tests_written_before_it_is_accepted(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"tester": [suite()], "coder": [code(RIGHT)]})

    result = await loop.run()

    assert (result.outcome, result.rounds, result.passed, result.failed) == ("done", 0, 2, 0)
    assert result.files == ("add.py", "tests/test_add.py")
    assert (tmp_path / "add.py").read_text() == RIGHT
    assert (tmp_path / "tests/test_add.py").read_text() == GOOD_TESTS
    assert loop.steps.names == [
        "tests.1",
        "code.0",
        "syntax.0",
        "test.0.1",
        "finish.0",
    ]


async def test_tests_on_code_and_on_its_stub_run_side_by_side(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"tester": [suite()], "coder": [code(RIGHT)]})

    await loop.run()

    runs = {data["which"]: data for data in loop.emit.of("tests_run")}
    assert runs["acceptance"]["ok"]
    assert not runs["stub"]["ok"]
    assert runs["acceptance"]["started_at"] < runs["stub"]["ended_at"]
    assert runs["stub"]["started_at"] < runs["acceptance"]["ended_at"]
    assert loop.tools.most_at_work == 2


async def test_wrong_code_is_repaired_from_what_was_reflected(tmp_path: Path) -> None:
    loop = Loop(
        tmp_path,
        {
            "tester": [suite()],
            "coder": [code(WRONG), code(RIGHT)],
            "reflector": [thought("it subtracts")],
        },
    )

    result = await loop.run()

    assert (result.outcome, result.rounds) == ("done", 1)
    fix = loop.chat.asked[-1].messages[-1]["content"]
    assert "it subtracts" in fix
    assert "a - b" in fix
    assert "assert add(2, 3) == 5" in fix
    assert loop.emit.of("reflected")[0]["cause"] == "it subtracts"


async def test_code_that_does_not_compile_never_reaches_the_sandbox(tmp_path: Path) -> None:
    loop = Loop(
        tmp_path,
        {"tester": [suite()], "coder": [code(BROKEN), code(RIGHT)], "reflector": ["no json"]},
    )

    result = await loop.run()

    assert result.outcome == "done"
    assert [data["ok"] for data in loop.emit.of("syntax_checked")] == [False, True]
    assert "line 1" in loop.chat.asked[-1].messages[-1]["content"]
    assert sum(tool == "run_pytest" for _, tool, _ in loop.tools.calls) == 2


async def test_tests_that_pass_on_a_stub_are_written_again_and_then_decide(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"tester": [suite(IDLE_TESTS), suite()], "coder": [code(RIGHT)]})

    result = await loop.run()

    assert result.outcome == "done"
    assert "they passed on an empty stub" in loop.chat.asked[-1].messages[-1]["content"]
    assert (tmp_path / "tests/test_add.py").read_text() == GOOD_TESTS


async def test_tests_that_never_prove_anything_need_help(tmp_path: Path) -> None:
    loop = Loop(tmp_path, {"tester": [suite(IDLE_TESTS)] * 2, "coder": [code(RIGHT)]})

    result = await loop.run()

    assert result.outcome == "needs_help"
    assert result.files == ()
    assert "prove nothing" in result.digest


async def test_a_test_found_wrong_is_written_again_once_and_costs_no_attempt(
    tmp_path: Path,
) -> None:
    wrong_test = GOOD_TESTS.replace("== 5", "== 6")
    loop = Loop(
        tmp_path,
        {
            "tester": [suite(wrong_test), suite()],
            "coder": [code(RIGHT)],
            "reflector": [thought("the test contradicts the contract", test_wrong=True)],
        },
    )

    result = await loop.run()

    assert (result.outcome, result.rounds) == ("done", 0)


@pytest.mark.parametrize(
    "bad",
    [
        "I would add the two numbers.",
        "```python add.py\ndef add(a, b):\n",
        code("def add(a, b):\n    # rest of the code here\n    return a + b\n"),
        LengthError("the reply ran into 1400 tokens"),
    ],
)
async def test_files_that_are_not_whole_are_refused(tmp_path: Path, bad: str | Exception) -> None:
    loop = Loop(tmp_path, {"tester": [suite()], "coder": [bad, code(RIGHT)]})

    result = await loop.run()

    assert (result.outcome, result.rounds) == ("done", 1)
    assert loop.emit.of("code_written")[-1]["path"] == "add.py"
    assert (tmp_path / "add.py").read_text() == RIGHT


async def test_a_coder_that_sends_other_tests_along_changes_no_test(tmp_path: Path) -> None:
    easier = suite("from add import add\n\n\ndef test_add():\n    assert add\n")
    loop = Loop(
        tmp_path,
        {"tester": [suite()], "coder": [code(WRONG) + easier, code(RIGHT)], "reflector": ["{}"]},
    )

    result = await loop.run()

    assert result.rounds == 1
    assert (tmp_path / "tests/test_add.py").read_text() == GOOD_TESTS


async def test_the_same_failure_of_the_same_code_skips_to_a_fresh_sample(tmp_path: Path) -> None:
    other = "def add(a, b):\n    return a * b - 1\n"
    loop = Loop(
        tmp_path,
        {
            "tester": [suite()],
            "coder": [code(WRONG), code(other), code(WRONG), code(RIGHT)],
            "reflector": [thought("x"), thought("y")],
        },
    )

    result = await loop.run()

    assert result.outcome == "done"
    assert [(c.pool, c.temperature) for c in loop.chat.asked if c.role == "coder"] == [
        ("simple", 0.0),
        ("simple", 0.2),
        ("simple", 0.2),
        ("simple", 0.7),
    ]


async def test_a_repair_that_passes_fewer_tests_is_not_what_the_next_one_starts_from(
    tmp_path: Path,
) -> None:
    half = "def add(a, b):\n    return a - b  # half\n"
    worse = "def add(a, b):\n    return 'worse'\n"
    loop = Loop(
        tmp_path,
        {
            "tester": [suite()],
            "coder": [code(half), code(worse), code(RIGHT)],
            "reflector": [thought("x"), thought("y")],
        },
    )

    await loop.run()

    last = loop.chat.asked[-1].messages[-1]["content"]
    assert "# half" in last
    assert "worse" not in last


async def test_a_task_that_never_passes_goes_through_two_pools_and_then_needs_help(
    tmp_path: Path,
) -> None:
    wrongs = [code(f"def add(a, b):\n    return a - b - {n}\n") for n in range(1, 9)]
    loop = Loop(
        tmp_path,
        {"tester": [suite()], "coder": wrongs, "reflector": [thought(str(n)) for n in range(4)]},
    )

    result = await loop.run()

    assert (result.outcome, result.rounds, result.files) == ("needs_help", 7, ())
    assert [c.pool for c in loop.chat.asked if c.role == "coder"] == ["simple"] * 4 + ["medium"] * 4
    assert "assert" in result.digest
    assert len(result.digest.splitlines()) <= 40
    assert loop.chat.unused == {}


async def test_a_page_of_documentation_is_written_without_tests(tmp_path: Path) -> None:
    page = Task(id="T1", title="Explain it", kind="docs", files=("docs/use.md",))
    reply = "```markdown docs/use.md\n# Use\n\n```python\nadd(1, 2)\n```\n```\n"
    loop = Loop(tmp_path, {"writer": [reply]})

    result = await loop.run(page)

    assert result.files == ("docs/use.md",)
    assert (tmp_path / "docs/use.md").read_text() == "# Use\n\n```python\nadd(1, 2)\n```\n"


async def test_a_test_task_must_fail_on_stubs_of_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text(RIGHT)
    task = Task(id="T1", title="Test add", kind="test", files=("tests/test_more.py",))
    loop = Loop(tmp_path, {"tester": [fenced("tests/test_more.py", GOOD_TESTS)]})

    result = await loop.run(task)

    assert (result.outcome, result.passed) == ("done", 2)


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
    assert loop.steps.names == ["code.0", "syntax.0", "test.0.0", "finish.0"]
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

STEPS = ["tests.1", "code.0", "reflect.0.1", "code.1", "test.1.1", "finish.1"]


@pytest.mark.parametrize("die_in", STEPS)
async def test_a_kill_in_any_step_ends_in_the_same_files_and_events(
    tmp_path: Path, die_in: str
) -> None:
    script: dict[str, list[str]] = {
        "tester": [suite()] * 2,
        "coder": [code(WRONG)] * 2 + [code(RIGHT)] * 2,
        "reflector": [thought("it subtracts")] * 2,
    }
    loop = Loop(tmp_path, script)
    loop.steps.die_in = die_in
    # What the killed step asked for is asked for again, and gets the same answer again.
    once = {role: replies[::2] for role, replies in script.items()}
    loop.chat = ScriptedChat(once)
    with pytest.raises(Killed):
        await loop.run()
    asked = [call.role for call in loop.chat.asked]
    again = die_in.partition(".")[0]
    role = {"tests": "tester", "code": "coder", "reflect": "reflector"}.get(again, "")
    left = {name: replies[asked.count(name) - (name == role) :] for name, replies in once.items()}
    loop.chat = ScriptedChat(left)
    loop.steps = RecordedSteps(loop.steps.record)

    result = await loop.run()

    assert (result.outcome, result.rounds) == ("done", 1)
    assert (tmp_path / "add.py").read_text() == RIGHT
    assert len(loop.emit.of("model_call")) == 4
    assert len(loop.emit.of("reflected")) == 1
