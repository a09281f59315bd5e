"""A person at the terminal: asked for an example, asked what a task wants to know, and never without one."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError
from atos_protocol.settings import load_settings
from doubles.installation import CLIENT
from doubles.scripted_host import ScriptedHost, Tool
from doubles.terminal import Terminal

pytestmark = pytest.mark.timeout(60)

GOAL = "Write stats.py with median(values)"
ASKED = {
    "text": "median([1, 2]) gives 1.5 or 2?",
    "call": "median([1, 2])",
    "options": ["1.5", "2"],
}
CLIENT_COMMAND = (CLIENT, "build", GOAL)


@dataclass
class Goal:
    """The goal as the host would show it: it stops with a question until that is answered."""

    wants_example: bool = True
    state: str = "running"
    seq: int = 1
    given: list[str] = field(default_factory=list[str])

    def view(self) -> dict[str, Any]:
        done = self.state == "success"
        task = {
            "id": "T1", "title": "median(values)", "complexity": "simple", "rounds": 0,
            "state": {"success": "done", "needs_help": "failed"}.get(self.state, "running"),
            "proof": "examples" if done else "", "evidence": "2 of 2 examples" if done else "",
            "question": ASKED if self.state == "needs_help" else {"text": ""},
        }  # fmt: skip
        stopped = {
            "message": f"task T1 asks: {ASKED['text']}",
            "next": "atos-client answer g1/T1 1",
        }
        return {
            "id": "g1", "goal": GOAL, "state": self.state, "tasks": [task], "seq": self.seq,
            "tests": {"passed": 2, "failed": 0}, "seconds": 12.0,
            "error": stopped if self.state == "needs_help" else {},
        }  # fmt: skip

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        for example in arguments.get("examples", []):
            if "->" not in example:
                message = f"example 1 ({example!r}): it is not an example"
                raise BadRequestError(message, next_step="Write `f(1) -> 2`.")
        return {"refusal": {}, "wants_example": self.wants_example}

    def start(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.given = list(arguments.get("examples", []))
        return self.view()

    def wait(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer with one event, then with the end."""
        if arguments["after_seq"] >= self.seq:
            return {"events": [], "seq": self.seq, "goal": self.view()}
        self.state = "needs_help" if self.state == "running" else self.state
        event: dict[str, Any] = {
            "kind": "task_started",
            "task": "T1",
            "at": 0.0,
            "data": {},
            "seq": self.seq,
        }
        return {"events": [event], "seq": self.seq, "goal": self.view()}

    def answer(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if arguments["answer"] == "perhaps":
            message = f"'perhaps' is no answer to: {ASKED['text']}"
            raise BadRequestError(message, next_step="Answer 1 (1.5) or 2 (2).")
        self.state, self.seq = "success", self.seq + 1
        return self.view() | {"state": "running"}

    def tools(self) -> dict[str, Tool]:
        return {
            "check_goal": self.check,
            "start_goal": self.start,
            "wait_goal": self.wait,
            "get_goal": lambda _: self.view(),
            "answer_question": self.answer,
            "submit_fix": lambda _: self.view(),
            "retry_goal": lambda _: self.view(),
            "list_goals": lambda _: {"goals": [self.view()]},
        }


@pytest.fixture
def goal() -> Goal:
    return Goal()


@pytest.fixture
def host(atos_home: Path, goal: Goal) -> Iterator[ScriptedHost]:
    with ScriptedHost(load_settings().servers_socket, goal.tools()) as host:
        yield host


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the client without a terminal."""
    return subprocess.run(
        [CLIENT, *arguments], capture_output=True, text=True, check=False, timeout=30,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_person_is_asked_for_an_example_and_for_an_answer_and_the_goal_goes_on(
    host: ScriptedHost, goal: Goal
) -> None:
    with Terminal(CLIENT_COMMAND, os.environ) as terminal:
        asked = terminal.until("Example: ")
        terminal.type("it should be fast")
        explained = terminal.until("Example: ")
        terminal.type("median([1, 3]) -> 2")
        terminal.until("Another: ")
        terminal.type("")
        question = terminal.until("leaves it open): ")
        terminal.type("perhaps")
        refused = terminal.until("leaves it open): ")
        terminal.type("1")
        code = terminal.ended()

    assert asked == snapshot("""\
An example helps a small model most (84 against 58 % right): f(1) -> 2, for
instance. Enter goes on.
Example: \
""")
    assert explained == snapshot("""\
it should be fast
example 1 ('it should be fast'): it is not an example
→ Write `f(1) -> 2`.
Example: \
""")
    assert goal.given == ["median([1, 3]) -> 2"]
    assert question.partition("\n\n")[2] == snapshot("""\
T1 asks: median([1, 2]) gives 1.5 or 2?
  1) 1.5
  2) 2
Answer (a number, a value or an example; Enter leaves it open): \
""")
    assert "'perhaps' is no answer" in refused
    assert code == 0
    assert "evidence    T1: 2 of 2 examples" in terminal.seen
    assert max(map(len, terminal.seen.splitlines())) <= 80


def test_ctrl_c_at_the_first_question_starts_nothing(host: ScriptedHost) -> None:
    with Terminal(CLIENT_COMMAND, os.environ) as terminal:
        terminal.until("Example: ")
        terminal.interrupt()
        code = terminal.ended()

    assert code == 130
    assert "start_goal" not in [name for name, _ in host.calls]


def test_enter_leaves_the_question_open_and_says_how_to_answer_later(
    host: ScriptedHost, goal: Goal
) -> None:
    goal.wants_example = False
    with Terminal(CLIENT_COMMAND, os.environ) as terminal:
        terminal.until("leaves it open): ")
        terminal.type("")
        code = terminal.ended()

    assert code == 4
    assert "next        atos-client answer g1/T1 1" in terminal.seen
    assert "answer_question" not in [name for name, _ in host.calls]


def test_without_a_terminal_nothing_is_asked_and_the_exact_command_is_printed(
    host: ScriptedHost,
) -> None:
    done = run("build", GOAL, "--example", "median([1]) -> 1", "--example", "median([2]) -> 2")

    assert done.returncode == 4
    assert "  next        atos-client answer g1/T1 1" in done.stdout.splitlines()
    assert [name for name, _ in host.calls] == ["start_goal", "wait_goal", "wait_goal"]
    assert host.calls[0][1]["examples"] == ["median([1]) -> 1", "median([2]) -> 2"]


def test_a_host_that_does_not_tell_its_version_keeps_no_goal_from_starting(
    host: ScriptedHost,
) -> None:
    host.status = {"error": {"code": "internal", "message": "not now"}}
    done = run("build", "--detach", GOAL)

    assert (done.returncode, "g1" in done.stdout, "not now" in done.stderr) == (0, True, False)


def test_a_file_of_tests_goes_with_the_goal(host: ScriptedHost, tmp_path: Path) -> None:
    tests = tmp_path / "test_stats.py"
    tests.write_text("def test_median(): ...\n")
    done = run("build", "--detach", "--json", GOAL, "--tests", str(tests))
    missing = run("build", GOAL, "--tests", str(tmp_path / "none.py"))

    assert json.loads(done.stdout)["id"] == "g1"
    assert host.calls[0][1]["tests"] == "def test_median(): ...\n"
    assert (missing.returncode, "can't be read" in missing.stderr) == (2, True)


def test_a_plan_goes_with_the_goal_and_one_that_is_none_is_refused(
    host: ScriptedHost, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"tasks": [{"title": "Add"}]}')
    done = run("build", "--detach", "--json", GOAL, "--plan", str(plan))
    plan.write_text("tasks: Add")
    broken = run("build", GOAL, "--plan", str(plan))
    plan.write_text("[]")
    listed = run("build", GOAL, "--plan", str(plan))

    assert json.loads(done.stdout)["id"] == "g1"
    assert host.calls[0][1]["plan"] == {"tasks": [{"title": "Add"}]}
    assert (broken.returncode, "is no JSON" in broken.stderr) == (2, True)
    assert (listed.returncode, "holds no JSON object" in listed.stderr) == (2, True)


@pytest.mark.parametrize(
    ("place", "task"), [("g1/T1", "T1"), ("g1", "T1"), ("T1", "T1")], ids=["both", "goal", "task"]
)
def test_an_answer_finds_its_task(host: ScriptedHost, goal: Goal, place: str, task: str) -> None:
    goal.state = "needs_help"
    done = run("answer", place, "1.5")

    assert done.stdout == "g1 goes on\nfollow it: atos-client watch g1\n"
    assert host.calls[-1] == (
        "answer_question",
        {"goal_id": "g1", "task_id": task, "answer": "1.5"},
    )


def test_code_is_handed_in_under_its_name_in_the_repository(
    host: ScriptedHost, goal: Goal, tmp_path: Path
) -> None:
    goal.state = "needs_help"
    (tmp_path / "stats.py").write_text("median = 1\n")
    whole = run("fix", "g1/T1", str(tmp_path / "stats.py"))
    named = run("fix", "g1/T1", f"pkg/stats.py={tmp_path / 'stats.py'}")
    nameless = run("fix", "g1", str(tmp_path / "stats.py"))

    assert (whole.returncode, named.returncode, nameless.returncode) == (0, 0, 2)
    assert [given["files"] for name, given in host.calls if name == "submit_fix"] == [
        {"stats.py": "median = 1\n"},
        {"pkg/stats.py": "median = 1\n"},
    ]
