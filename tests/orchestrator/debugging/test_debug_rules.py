"""The pure rules of debugging, and the task's workspace with its drafts."""

import ast
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging import output_checks
from atos_orchestrator.debugging.attempts import code_signature, failure_signature, next_attempt
from atos_orchestrator.debugging.evaluation import shorten_verdict
from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.debugging.stubs import imported_files, signatures, stub_source
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.strategies.general.strategy import GeneralStrategy
from atos_orchestrator.strategies.mini.strategy import MiniStrategy
from atos_orchestrator.strategies.strategy import Attempt
from atos_protocol.errors import ConflictError
from atos_protocol.verdicts import CandidateOutcome, Isolation, TestCase, Verdict
from doubles.plain_tools import PlainTools

MODULE = '''"""Doc."""
import functools
LIMIT = 3
class Store:
    size: int = 0
    def __init__(self, path: str) -> None:
        self.path = path
    @property
    def full(self) -> bool:
        return self.size > LIMIT
    def _hidden(self): ...
@functools.cache
def load(path: str, *, deep: bool = False) -> dict[str, int]:
    """Doc."""
    return {}
async def fetch(url): return 1
def _private(): pass
'''


# Attempts ------------------------------------------------------------------------------------


def test_a_task_starts_in_its_own_pool_and_goes_up_one() -> None:
    assert [(a.mode, a.pool) for a in GeneralStrategy().attempts("medium")] == [
        ("fresh", "medium"),
        ("fix", "medium"),
        ("fix", "medium"),
        ("fresh", "medium"),
        ("fresh", "complex"),
        ("fix", "complex"),
        ("fix", "complex"),
        ("fresh", "complex"),
    ]
    assert {a.pool for a in GeneralStrategy().attempts("complex")} == {"complex"}


def test_atos_mini_only_draws_other_samples() -> None:
    attempts = MiniStrategy().attempts("complex")

    assert {(a.mode, a.pool) for a in attempts} == {("fresh", "mini")}
    assert len({(a.temperature, a.seed) for a in attempts}) == len(attempts)


modes: st.SearchStrategy[Literal["fresh", "fix"]] = st.sampled_from(["fresh", "fix"])


@given(st.lists(modes.map(lambda mode: Attempt(mode, "p")), min_size=1, max_size=9), st.booleans())
def test_attempts_only_go_forward_so_the_loop_ends(attempts: list[Attempt], stuck: bool) -> None:
    at, seen = 0, 1
    while (then := next_attempt(attempts, at, stuck=stuck)) is not None:
        assert at < then < len(attempts)
        assert not stuck or attempts[then].mode == "fresh"
        at, seen = then, seen + 1
    assert seen <= len(attempts)


def test_a_failure_is_the_same_whatever_its_numbers_paths_and_addresses() -> None:
    one = failure_signature("failed", ["a", "b"], "assert 3 == 5 in /tmp/x/m.py at 0xab12, 0.25s")
    two = failure_signature("failed", ["b", "a"], "assert 4 == 6 in /tmp/y/m.py at 0xff, 1.5s")

    assert one == two
    assert one != failure_signature(
        "failed", ["a"], "assert 3 == 5 in /tmp/x/m.py at 0xab12, 0.25s"
    )
    assert code_signature({"a": "1", "b": "2"}) == code_signature({"b": "2", "a": "1"})


# Output checks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "# rest of the code",
        "    # ... existing code ...",
        "# The remaining functions are unchanged",
        "# your code here",
        "# TODO: implement",
    ],
)
def test_placeholders_are_refused(line: str) -> None:
    assert "placeholder" in output_checks.code_fault({"a.py": f"x = 1\n{line}\n"}, {})


@pytest.mark.parametrize(
    "line", ["# the rest of the list is sorted", "# existing users keep theirs", "x = 'your code'"]
)
def test_ordinary_comments_are_not(line: str) -> None:
    assert output_checks.code_fault({"a.py": f"{line}\n"}, {}) == ""


def test_a_file_that_lost_more_than_half_is_refused_but_a_short_one_may_shrink() -> None:
    before = {"a.py": "x = 1\n" * 12}

    assert "from 12 to 5 lines" in output_checks.code_fault({"a.py": "x = 2\n" * 5}, before)
    assert output_checks.code_fault({"a.py": "x = 2\n" * 6}, before) == ""
    assert output_checks.code_fault({"a.py": "x = 2\n"}, {"a.py": "x = 1\n" * 4}) == ""


def test_a_repair_that_changes_nothing_is_refused() -> None:
    assert "changed nothing" in output_checks.code_fault({"a.py": "x\n"}, {"a.py": "x\n"})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def test_a(): f()", "no assertion that could fail in test_a"),
        ("def test_a(): assert True", "no assertion"),
        ("def test_a(): assert x == x", "no assertion"),
        ("def helper(): assert f() == 1", "no test function"),
        ("def test_a(:", "don't compile"),
        ("def test_a(): assert f() == 1", ""),
        ("def test_a():\n    with pytest.raises(ValueError): f()", ""),
        ("class T:\n    def test_a(self): self.assertEqual(f(), 1)", ""),
    ],
)
def test_tests_that_can_not_fail_are_known_by_their_look(source: str, says: str) -> None:
    found = output_checks.test_fault(source)

    assert says in found
    assert bool(found) == bool(says)


# Stubs -------------------------------------------------------------------------------------


def test_a_stub_keeps_names_and_constants_and_does_nothing() -> None:
    stub = stub_source(MODULE)
    names: dict[str, object] = {}
    exec(stub, names)  # noqa: S102 - the point of a stub is what it does

    assert names["LIMIT"] == 3
    assert names["load"]("x") is None  # type: ignore[operator]
    assert names["Store"]("x").full is None  # type: ignore[operator]
    assert "cache" not in stub.replace("import functools", "")


def test_signatures_show_what_others_may_call() -> None:
    assert signatures(MODULE).splitlines() == [
        "class Store:",
        "    def __init__(self, path: str) -> None",
        "    def full(self) -> bool",
        "def load(path: str, *, deep: bool=False) -> dict[str, int]",
        "async def fetch(url)",
    ]
    assert signatures("def broken(") == ""


def test_what_a_test_imports_may_be_its_subject() -> None:
    source = "import json\nimport pkg.a as a\nfrom b import c\nfrom . import d\n"

    assert imported_files(source) == ("json.py", "pkg/a.py", "b.py")
    assert imported_files("import (") == ()


@given(
    st.sampled_from([MODULE, "", "x = lambda: 1", "def f():\n    def g(): return 2\n    return g"])
)
def test_a_stub_compiles_and_a_stub_of_a_stub_is_itself(source: str) -> None:
    once = stub_source(source)

    ast.parse(once)
    assert stub_source(once) == once


# Results -----------------------------------------------------------------------------------


def test_a_result_survives_json() -> None:
    result = TaskResult("needs_help", 3, ("a.py",), 1, 2, "simple", "m", "e", "bwrap", 0, "py", "d")

    assert decode(TaskResult, encode(result)) == result


def test_a_verdict_is_kept_short() -> None:
    verdict = Verdict(
        ok=False,
        state="tampered",
        passed=1,
        failed=2,
        tests=tuple(TestCase(f"t{n}", "failed") for n in range(100)),
        reasons=("the report was forged",),
        digest="\n".join(f"line {n}" for n in range(100)),
        isolation=Isolation("landlock", "..."),
        interpreter="/usr/bin/python3",
        uid=1000,
        started_at=1.0,
        ended_at=2.0,
        proven="nothing",
    )

    short = shorten_verdict(verdict)

    assert short["digest"].splitlines()[0] == "the report was forged"
    assert len(short["digest"].splitlines()) == 40
    assert len(short["failing"]) == 20
    assert (short["isolation"], short["uid"]) == ("landlock", 1000)


# TaskWorkspace --------------------------------------------------------------------------------------


async def test_a_draft_is_what_its_step_wrote_whatever_happens_to_the_file(tmp_path: Path) -> None:
    workspace = TaskWorkspace(tmp_path, PlainTools())
    hashes = await workspace.draft("attempt-0", {"pkg/a.py": "x = 1\n"})
    await workspace.write("pkg/a.py", "x = 2\n")

    assert await workspace.recall("attempt-0", hashes) == {"pkg/a.py": "x = 1\n"}


async def test_a_draft_that_somebody_changed_is_not_used(tmp_path: Path) -> None:
    workspace = TaskWorkspace(tmp_path, PlainTools())
    hashes = await workspace.draft("tests-1", {"tests/test_a.py": "assert True\n"})
    await workspace.write(".atos/tests-1/tests/test_a.py", "pass\n")

    with pytest.raises(ConflictError, match="was changed"):
        await workspace.recall("tests-1", hashes)


async def test_a_file_that_is_not_there_reads_as_nothing(tmp_path: Path) -> None:
    assert await TaskWorkspace(tmp_path, PlainTools()).read_if_exists("none.py") == ""


async def test_candidates_are_evaluated_over_the_worktree(tmp_path: Path) -> None:
    tools = PlainTools()
    workspace = TaskWorkspace(tmp_path, tools)
    await workspace.write("base.py", "ONE = 1\n")
    good = {"inc.py": "from base import ONE\ndef inc(n): return n + ONE\n"}
    found = await workspace.evaluate(
        [good, {"inc.py": "import nothing_of_this_name\n"}], ["assert inc(1) == 2"], ["inc(2)"]
    )
    assert found.candidates == (
        CandidateOutcome("", ("pass",), ("= 3",)),
        CandidateOutcome(
            "ModuleNotFoundError: No module named 'nothing_of_this_name'",
            ("error: not loaded",),
            ("error: not loaded",),
        ),
    )
