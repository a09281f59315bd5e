"""The pure rules of debugging, and the task's workspace with its drafts."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.debugging import output_checks
from atos_orchestrator.debugging.assertions import Assertion, read_assertions
from atos_orchestrator.debugging.calls import (
    calls_in,
    compared_calls,
    first_argument,
    nearby_calls,
    usual_opening,
    value_assertion,
)
from atos_orchestrator.debugging.delivered_tests import render_tests
from atos_orchestrator.debugging.ending import IN_PROCESS, evidence_text
from atos_orchestrator.debugging.final_test import shorten_verdict
from atos_orchestrator.debugging.missing_imports import with_missing_imports
from atos_orchestrator.debugging.moves import Move
from atos_orchestrator.debugging.sources import defined_names, parse_source
from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.debugging.stubs import imported_files, signatures_of, stub_source
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.debugging.testers import error_row
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.strategies.general.strategy import TESTERS, GeneralStrategy
from atos_orchestrator.strategies.mini.strategy import MiniStrategy
from atos_orchestrator.strategies.strategy import SamplingPlan
from atos_orchestrator.task import (
    ErrorClause,
    Task,
    required_errors,
    speaks_of_result,
    unshown_errors,
)
from atos_protocol.errors import ConflictError
from atos_protocol.goals import Complexity
from atos_protocol.scheduler_api import Pool
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


def task(complexity: Complexity) -> Task:
    return Task("T1", "a", files=("a.py",), complexity=complexity)


def fault(fresh: Mapping[str, str], before: Mapping[str, str], wanted: Task | None = None) -> str:
    return output_checks.candidate_fault(fresh, before, wanted or task("simple")).text


# What may be spent ------------------------------------------------------------------------------


def pool(name: str, model: str, *, samples: int = 5) -> Pool:
    return Pool(name, 4096, 2048, True, True, "chat", (model,), (), samples)


def test_a_task_starts_in_its_own_pool_and_goes_up_one() -> None:
    pools = (pool("simple", "s"), pool("medium", "m", samples=4), pool("complex", "c", samples=3))

    assert GeneralStrategy().sampling(task("medium"), pools) == (
        SamplingPlan("medium", 4, TESTERS),
        SamplingPlan("complex", 3, TESTERS),
    )


def test_a_pool_whose_model_has_failed_already_is_left_out() -> None:
    pools = (pool("simple", "one"), pool("medium", "one"), pool("complex", "other"))

    plans = GeneralStrategy().sampling(task("simple"), pools)

    assert [plan.pool for plan in plans] == ["simple", "complex"]


def test_a_pool_without_a_model_is_stood_in_for() -> None:
    plans = GeneralStrategy().sampling(task("complex"), (pool("simple", "one", samples=2),))

    assert plans == (SamplingPlan("complex", 2, TESTERS),)


def test_atos_mini_only_draws_other_samples() -> None:
    mini = MiniStrategy()
    plan = mini.sampling(task("complex"), ())[0]
    drawn = [mini.sample(plan, number) for number in range(plan.samples)]

    assert (plan.pool, plan.testers) == ("mini", 0)
    assert len({(each.temperature, each.seed) for each in drawn}) == len(drawn) == 4


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
    assert "placeholder" in fault({"a.py": f"x = 1\n{line}\n"}, {})


@pytest.mark.parametrize(
    "line", ["# the rest of the list is sorted", "# existing users keep theirs", "x = 'your code'"]
)
def test_ordinary_comments_are_not(line: str) -> None:
    assert fault({"a.py": f"{line}\n"}, {}) == ""


def test_a_hidden_character_is_refused_in_code_and_may_be_a_mark_in_prose() -> None:
    said = (
        "a.py has a hidden character, line 2: U+202E RIGHT-TO-LEFT OVERRIDE: write it as an escape"
    )

    assert fault({"a.py": "x = 1\n# \u202e\n"}, {}) == said
    assert fault({"a.md": "\u05d0\u200f\n"}, {}) == ""


def test_a_file_that_lost_more_than_half_is_refused_but_a_short_one_may_shrink() -> None:
    before = {"a.py": "x = 1\n" * 12}

    assert "from 12 to 5 lines" in fault({"a.py": "x = 2\n" * 5}, before)
    assert fault({"a.py": "x = 2\n" * 6}, before) == ""
    assert fault({"a.py": "x = 2\n"}, {"a.py": "x = 1\n" * 4}) == ""


def test_a_file_that_lost_a_definition_is_refused() -> None:
    assert "no longer defines f" in fault({"a.py": "g = 1\n"}, {"a.py": "def f(): ...\n"})


def test_code_must_define_what_its_task_names() -> None:
    wanted = replace(task("simple"), signatures=("def f(a) -> int", "class Stack", "g(b)"))

    assert fault({"a.py": "class Stack: ...\nfrom b import g\n"}, {}, wanted) == "f is not defined"
    assert fault({"a.py": "f = g = 1\nclass Stack: ...\n"}, {}, wanted) == ""


def test_what_the_goal_calls_a_function_may_be_a_method_of_its_class() -> None:
    wanted = replace(task("simple"), signatures=("class Account", "deposit(amount)"))

    assert fault({"a.py": "class Account:\n    def deposit(self, amount): ...\n"}, {}, wanted) == ""


def test_a_clause_that_names_no_function_is_about_every_one_that_no_example_shows() -> None:
    clause = ErrorClause("ValueError", "an empty list raises ValueError in both", "spread")
    both = replace(
        task("simple"),
        signatures=("median(values)", "spread(values)"),
        examples=("assert raises(ValueError, lambda: median([]))",),
        errors=(clause,),
    )
    of_class = replace(both, signatures=("class Stats", *both.signatures))

    assert unshown_errors(both) == (replace(clause, name="spread"),)
    assert unshown_errors(replace(both, examples=())) == (
        replace(clause, name="spread"),  # the likeliest first
        replace(clause, name="median"),
    )
    assert unshown_errors(replace(of_class, examples=())) == (replace(clause, name=""),)


def test_a_clause_that_begins_with_its_verb_is_about_what_it_was_found_at() -> None:
    """`delete(key) removes a key and raises KeyError if it is not there`: no row about `get` is one about it."""
    clause = ErrorClause("KeyError", "raises KeyError if it is not there", "delete")
    task = Task("T1", "Cache", files=("cache.py",), signatures=("class Cache",), errors=(clause,))
    said = "delete raises KeyError if it is not there"

    assert unshown_errors(task) == (ErrorClause("KeyError", said, ""),)
    assert required_errors(task) == {(said, "")}


@pytest.mark.parametrize(
    ("clause", "about"),
    [
        ("an encoded text that does not begin with a letter raises ValueError", ["decode"]),
        ("a text with a blank raises ValueError", ["decode", "encode"]),
        ("encode(text) of an encoded text raises ValueError", ["encode"]),
    ],
)
def test_a_clause_about_what_one_function_returns_is_about_the_one_that_takes_it(
    clause: str, about: list[str]
) -> None:
    stated = ErrorClause("ValueError", clause, "decode")
    both = replace(task("simple"), signatures=("encode(text)", "decode(text)"), errors=(stated,))

    assert [each.name for each in unshown_errors(both)] == about


def test_a_row_about_the_function_that_makes_what_is_refused_is_none() -> None:
    clause = ErrorClause("ValueError", "an encoded text without a number raises it", "decode")

    def row(source: str) -> Assertion | None:
        return error_row(source, clause, ["encode", "decode"], [])

    assert row("assert raises(ValueError, lambda: encode('3a'))") is None
    assert row("assert raises(ValueError, lambda: decode('3a'))") is not None


@pytest.mark.parametrize(
    ("function", "clause", "said"),
    [
        ("compress", "a compressed text", True),
        ("plan_route", "a planned route", True),
        ("copy", "the copied list", True),
        ("parse_row", "a row that can't be parsed", True),
        ("encode", "a text to encode", False),
        ("f", "fed with nothing", False),
    ],
)
def test_what_a_function_returns_is_told_by_its_participle(
    function: str, clause: str, said: bool
) -> None:
    assert speaks_of_result(clause, function) is said


# Forgotten imports ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("def f(x):\n    return re.findall('a', x)\n", "import re"),
        ("def f(x):\n    return Counter(x)\n", "from collections import Counter"),
        ("def f(x: List[int]) -> int:\n    return 1\n", "from typing import List"),
        ("def f():\n    return datetime.now()\n", "from datetime import datetime"),
        ("def f():\n    return datetime.datetime.now()\n", "import datetime"),
        ("class A(Enum):\n    B = auto()\n", "from enum import Enum"),
        ("from __future__ import annotations\nx = math.pi\n", "from __future__ import annotations"),
    ],
)
def test_imports_of_the_standard_library_are_added(source: str, first: str) -> None:
    whole = with_missing_imports(source)

    assert whole.splitlines()[0] == first
    assert with_missing_imports(whole) == whole
    ast.parse(whole)


@pytest.mark.parametrize(
    "source",
    [
        "import re\n\n\ndef f(x):\n    return re.findall('a', x)\n",
        "def f(re):\n    return re.findall\n",
        "def f():\n    return unknown_name\n",
        "def f(",
        "def f():\n    global math\n    math = 1\n    return math\n",
        "",
    ],
)
def test_a_module_that_lacks_none_stays_as_it_is(source: str) -> None:
    assert with_missing_imports(source) == source


def test_names_of_a_web_framework_are_imported_where_the_module_imports_it_already() -> None:
    used = "def f(q: Query, b: BaseModel):\n    return JSONResponse(jsonify(q))\n"
    fast, flask = f"from fastapi import FastAPI\n{used}", f"import flask\n{used}"

    assert with_missing_imports(fast).splitlines()[:3] == [
        "from fastapi import Query",
        "from fastapi.responses import JSONResponse",
        "from pydantic import BaseModel",
    ]
    assert with_missing_imports(flask).splitlines()[0] == "from flask import jsonify"
    assert with_missing_imports(used) == used


def test_what_a_module_builds_on_is_imported_before_the_standard_library() -> None:
    near = {
        "store.py": "def open_store(path): ...\n\n\ndef close(): ...\n",
        "shop/calendar.py": "def close(): ...\n",
    }
    source = "def main(path):\n    db = open_store(path)\n    store.add(db, os.getcwd())\n    calendar.day()\n    close()\n"

    assert with_missing_imports(source, near).splitlines()[:5] == [
        "import os",
        "import store",
        "from shop import calendar",
        "from store import open_store",
        "",  # two modules define `close`: which one is meant is not ours to say
    ]
    assert with_missing_imports(source).splitlines()[:2] == ["import calendar", "import os"]


def test_the_outline_of_a_module_has_its_signatures_only() -> None:
    source = "import re\n\ndef f(x: int) -> int:\n    if x:\n        return 1\n    return 2\n"

    assert signatures_of(source) == "import re\n\ndef f(x: int) -> int:\n    ...\n"
    assert signatures_of("def f(") == "def f("


@given(st.text(max_size=300))
def test_no_text_is_too_odd_for_the_readers_of_source(text: str) -> None:
    assert isinstance(with_missing_imports(text), str)
    assert read_assertions(text, ["f"]) == read_assertions(text, ["f"])
    assert isinstance(defined_names(text), frozenset)


def test_source_that_would_break_the_parser_is_not_parsed() -> None:
    assert parse_source("(" * 5000) is None
    assert parse_source("x = " + "-" * 200_000 + "1") is None
    assert parse_source("x = 1\x00") is None


# Assertions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "rows"),
    [
        ("```python\nassert f(1) == 2\n```", ["assert f(1) == 2"]),
        ("```python\nassert f(1) == 2, 'one'\nassert f(", ["assert f(1) == 2"]),
        ("assert f(-1) == ValueError", ["assert raises(ValueError, lambda: f(-1))"]),
        ("assert f(-1) is ValueError('x')", ["assert raises(ValueError, lambda: f(-1))"]),
        (
            "with pytest.raises(KeyError):\n    f('x')",
            ["assert raises(KeyError, lambda: f('x'))"],
        ),
        (
            "def test_a():\n    try:\n        s = f()\n        s.pop()\n    except KeyError:\n        pass",
            ["s = f()\nassert raises(KeyError, lambda: s.pop())"],
        ),
        (
            "def test_a():\n    try:\n        s = f()\n    finally:\n        pass\n    assert s == 1",
            ["try:\n    s = f()\nfinally:\n    pass\nassert s == 1"],
        ),
        ("assert True\nassert g(1) == 1\nassert f(1) == f(1)\nf(2)", []),
        (
            "def test_a():\n    s = f()\n    s.push(1)\n    assert s.pop() == 1\n    assert s.empty()",
            [
                "s = f()\ns.push(1)\nassert s.pop() == 1",
                "s = f()\ns.push(1)\ns.pop() == 1\nassert s.empty()",
            ],
        ),
        ("x = [1]\nassert f(x) == 1", ["x = [1]\nassert f(x) == 1"]),
        ("def test_a():\n    assert f(1)\n\ndef test_b(", ["assert f(1)"]),
    ],
)
def test_single_assertions_are_read_from_what_a_tester_writes(reply: str, rows: list[str]) -> None:
    assert read_assertions(reply, ["f"]) == rows


def test_what_is_only_the_way_to_a_value_is_not_compared() -> None:
    rows = [
        "assert create_app().test_client().get('/x').status_code == 400",
        "assert create_app(True).name == 'x'",
        "assert create_app() is not None",
    ]
    assert calls_in(rows[:1], ["create_app"]) == []
    assert calls_in(rows, ["create_app"]) == ["create_app(True)", "create_app()"]


def test_the_calls_in_assertions_and_their_neighbours_compare_candidates() -> None:
    rows = ["assert f([1, 2], 3) == 5", "assert raises(ValueError, lambda: f([], -1))"]

    assert calls_in(rows, ["f"]) == ["f([1, 2], 3)", "f([], -1)"]
    assert nearby_calls(["f(2)"]) == ["f(3)", "f(1)", "f(0)"]
    assert len(nearby_calls([f"f({n}, 'text', [1, 2])" for n in range(50)])) == 16


def test_candidates_are_compared_by_what_an_assertion_looks_at_after_its_set_up() -> None:
    rows = [
        "s = Stack()\ns.push(1)\nassert s.pop() == 2",
        "s = Stack()\nassert raises(IndexError, lambda: s.pop())",
        "s = Stack()\nassert s.is_empty()",
        "assert Stack().is_empty()",
        "assert f([1]) == 1",
    ]
    assert compared_calls(rows[:3], ["Stack"]) == snapshot(
        ["s = Stack()\ns.push(1)\ns.pop()", "s = Stack()\ns.pop()", "s = Stack()\ns.is_empty()"]
    )
    assert compared_calls(rows[3:], ["Stack", "f"]) == snapshot(
        [
            "argument = [1]\nf(argument)\nargument",
            "f([1])",
            "Stack().is_empty()",
            "f([])",
            "f([1, 1])",
        ]
    )


def test_a_value_after_a_set_up_becomes_an_assertion_with_it() -> None:
    call = "s = Stack()\ns.push(1)\ns.pop()"
    assert value_assertion(call, "= 1") == "s = Stack()\ns.push(1)\nassert s.pop() == 1"
    assert value_assertion(call, "= <Stack>") is None
    assert value_assertion(call, "error: IndexError: empty") is None


def test_each_test_asks_an_application_to_which_nothing_was_sent(tmp_path: Path) -> None:
    rows = [
        Assertion("assert app.test_client().post('/notes', json={}) == 1", "example"),
        Assertion(
            "c = app.test_client()\nc.post('/notes', json={})\nassert c.post('/notes', json={}) == 2",
            "example",
        ),
    ]
    text, _ = render_tests(["notes.py"], rows)
    (tmp_path / "notes.py").write_text(
        "class App:\n    sent = 0\n    def test_client(self):\n        return self\n"
        "    def post(self, path, json):\n        self.sent += 1\n        return self.sent\n\n\napp = App()\nnotes = []\n"
    )
    (tmp_path / "test_notes.py").write_text(text)
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            tmp_path,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert "2 passed" in ran.stdout, ran.stdout
    assert text == snapshot('''\
import importlib

import pytest

from notes import *
import notes


@pytest.fixture(autouse=True)
def fresh_application():
    """Each test asks an application to which nothing has been sent yet."""
    importlib.reload(notes)


# The goal's own examples.


def test_example_1():
    assert notes.app.test_client().post('/notes', json={}) == 1


def test_example_2():
    c = notes.app.test_client()
    c.post('/notes', json={})
    assert c.post('/notes', json={}) == 2
''')


def test_imports_with_which_assertions_begin_stand_once_at_the_head_of_the_tests() -> None:
    client = "from fastapi.testclient import TestClient\n"
    rows = [
        Assertion(f"{client}assert TestClient(app).get('/').status_code == 200", "example"),
        Assertion(f"{client}assert TestClient(app).get('/a').status_code == 404", "example"),
        Assertion("import sys\nassert raises(ValueError, lambda: f(sys.maxsize))", "error"),
    ]

    assert render_tests(["shop.py"], rows)[0] == snapshot("""\
import sys

from fastapi.testclient import TestClient
import pytest

from shop import *


# The goal's own examples.


def test_example_1():
    assert TestClient(app).get('/').status_code == 200


def test_example_2():
    assert TestClient(app).get('/a').status_code == 404


# Errors that the goal asks for.


def test_error_1_f():
    with pytest.raises(ValueError):
        f(sys.maxsize)
""")


def test_assertions_become_a_test_file_of_one_function_each() -> None:
    rows = [
        Assertion("assert f(1) == 2", "example"),
        Assertion("assert f(0.5) == 0.25", "tester"),
        Assertion("s = Stack()\nassert raises(IndexError, lambda: s.pop())", "error"),
    ]

    text, names = render_tests(["pkg/a.py"], rows)

    assert text == snapshot("""\
import pytest

from pkg.a import *


# The goal's own examples.


def test_example_1_f():
    assert f(1) == 2


# Errors that the goal asks for.


def test_error_1_stack():
    s = Stack()
    with pytest.raises(IndexError):
        s.pop()


# Written by a model before the code, and confirmed by independent candidates.


def test_tester_1_f():
    assert f(0.5) == pytest.approx(0.25)
""")
    assert names == {"test_example_1_f": 0, "test_error_1_stack": 2, "test_tester_1_f": 1}


# Stubs -------------------------------------------------------------------------------------


def test_a_stub_keeps_names_and_constants_and_does_nothing() -> None:
    stub = stub_source(MODULE)
    names: dict[str, object] = {}
    exec(stub, names)  # noqa: S102 - the point of a stub is what it does

    assert names["LIMIT"] == 3
    assert names["load"]("x") is None  # type: ignore[operator]
    assert names["Store"]("x").full is None  # type: ignore[operator]
    assert "cache" not in stub.replace("import functools", "")


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
        explanation="",
    )

    short = shorten_verdict(verdict)
    assert (short["ok"], short["proven"]) == (False, "nothing")

    assert short["digest"].splitlines()[0] == "the report was forged"
    assert len(short["digest"].splitlines()) == 40
    assert len(short["failing"]) == 20
    assert (short["isolation"], short["uid"]) == ("landlock", 1000)


@pytest.mark.parametrize(
    ("proven", "words"),
    [
        ("outside", "passes 3 examples; fails on a stub"),
        ("in-process", f"passes 3 examples; fails on a stub; {IN_PROCESS}"),
    ],
)
def test_code_that_could_have_fooled_its_tests_is_delivered_with_a_word_about_it(
    proven: str, words: str
) -> None:
    move = Move("accept", evidence="passes 3 examples")
    assert evidence_text(move, "a stub", proven) == words


# TaskWorkspace --------------------------------------------------------------------------------------


async def test_a_draft_is_what_its_step_wrote_whatever_happens_to_the_file(tmp_path: Path) -> None:
    workspace = TaskWorkspace(tmp_path, PlainTools())
    hashes = await workspace.draft("candidate-0", {"pkg/a.py": "x = 1\n"})
    await workspace.write("pkg/a.py", "x = 2\n")

    assert await workspace.recall("candidate-0", hashes) == {"pkg/a.py": "x = 1\n"}


async def test_a_draft_that_somebody_changed_is_not_used(tmp_path: Path) -> None:
    workspace = TaskWorkspace(tmp_path, PlainTools())
    hashes = await workspace.draft("tests", {"tests/test_a.py": "assert True\n"})
    await workspace.write(".atos/tests/tests/test_a.py", "pass\n")

    with pytest.raises(ConflictError, match="was changed"):
        await workspace.recall("tests", hashes)


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


def test_rows_about_errors_are_read_as_they_are_meant() -> None:
    reply = (
        "```python\nassert raises(ValueError, lambda: f('a'))\nwith raises(ValueError):\n"
        "    raises(ValueError, lambda: f('b'))\nassert raises(ValueError, lambda: f('c')) == True\n"
        "assert raises(ValueError, lambda: f('d')) == ValueError\nraises(ValueError, lambda: f('e'))\n"
        "assert f('g') == ValueError\nwith pytest.raises(ValueError):\n    f('h')\n"
    )
    assert read_assertions(reply, ["f"]) == [
        f"assert raises(ValueError, lambda: f('{letter}'))" for letter in "abcdegh"
    ]


@pytest.mark.parametrize(
    ("known", "opening"),
    [
        (["assert f('x', 1) == 2", "assert f('') == 0"], '"'),
        (["assert f([[1, 2]]) == 2"], "[["),
        (["assert f([(1, 2)]) == 2"], "[("),
        (["assert f(['a']) == 2"], '["'),
        (["assert f(3) == 2"], ""),
        (["assert f([]) == 2", "assert f('a') == 1"], ""),
        (["assert f(x) == 2"], ""),
        ([], ""),
    ],
)
def test_a_row_begins_as_the_known_calls_do(known: list[str], opening: str) -> None:
    assert first_argument(known, "f") == opening


def test_a_row_that_an_example_contradicts_is_none() -> None:
    clause = ErrorClause("ValueError", "other letters raise ValueError", "f")
    valid = {"f('XL')"}

    def row(source: str) -> Assertion | None:
        return error_row(source, clause, ["f", "g"], valid)

    assert row("assert raises(ValueError, lambda: f('XL'))") is None
    assert row("assert f('Z') == 3") is None
    found = row("assert raises(ValueError, lambda: g('Z'))")
    assert found is not None
    assert (found.about, found.origin, found.clause) == ("g", "error", clause.text)


@pytest.mark.parametrize(
    ("parameter", "opening"), [("text", '"'), ("values", "["), ("n", ""), ("number", "")]
)
def test_a_parameter_says_by_its_name_how_it_begins(parameter: str, opening: str) -> None:
    assert usual_opening(parameter) == opening
