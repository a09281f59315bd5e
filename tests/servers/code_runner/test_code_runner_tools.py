"""The tools as a client sees them, over an in-memory connection to the real server."""

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from inline_snapshot import snapshot

from atos_protocol.settings import load_settings
from atos_servers.code_runner.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services

pytestmark = pytest.mark.timeout(60)


async def tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


@pytest.fixture
async def client(workspace: Path, atos_home: Path) -> AsyncIterator[Client[Any]]:
    del atos_home
    server: FastMCP = build(Services(load_settings(), tell_nobody))
    with connected(Connection(roots=(workspace,))):
        async with Client(server) as opened:
            yield opened


async def called(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


def test_of(text: str) -> dict[str, str]:
    return {"impl.py": "def add(a, b):\n    return a + b\n", "test_impl.py": text}


test_of.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


MIXED = """\
from impl import add
def test_right(): assert add(2, 3) == 5
def test_wrong(): assert add(2, 2) == 5
"""


async def test_run_pytest_answers_a_verdict(client: Client[Any], workspace: Path) -> None:
    put(workspace, test_of(MIXED))
    before = time.time()
    verdict = await called(client, "run_pytest", path=str(workspace))
    after = time.time()
    assert before <= verdict.pop("started_at") <= verdict.pop("ended_at") <= after
    isolation = verdict.pop("isolation")
    assert isolation["level"] in {"bwrap", "landlock"}
    assert isolation["description"]
    assert verdict.pop("interpreter") == sys.executable
    assert isinstance(verdict.pop("uid"), int)
    assert verdict.pop("cpu_s") > 0
    assert all(test.pop("seconds") > 0 for test in verdict["tests"])
    assert verdict == snapshot(
        {
            "ok": False,
            "state": "failed",
            "passed": 1,
            "failed": 1,
            "tests": [
                {
                    "id": "test_impl.py::test_wrong",
                    "outcome": "failed",
                    "why": """\
test_impl.py:3: assert 4 == 5
 +  where 4 = add(2, 2)
E   assert 4 == 5
E    +  where 4 = add(2, 2)\
""",
                    "judged": "outside",
                },
                {
                    "id": "test_impl.py::test_right",
                    "outcome": "passed",
                    "why": "",
                    "judged": "outside",
                },
            ],
            "digest": """\
failed: 1 of 2 tests passed
FAILED test_impl.py::test_wrong
  test_impl.py:3: assert 4 == 5
   +  where 4 = add(2, 2)
  E   assert 4 == 5
  E    +  where 4 = add(2, 2)\
""",
            "reasons": [],
            "proven": "outside",
            "explanation": "The tests ran in one process and the code in another; only plain values crossed and were compared where the code can't reach, so it can return wrong values but can't change a verdict. Not proven: anything the tests don't check.",
            "limit": "",
            "coverage": [],
        }
    )


async def test_half_a_character_in_a_failure_or_a_name_costs_no_verdict(
    client: Client[Any], workspace: Path
) -> None:
    raising = "def test_a():\n    raise ValueError('\\ud800')\n"
    put(workspace, {"test_a.py": raising, os.fsdecode(b"bad_\xff.py"): "def f(:\n"})
    found = await called(client, "run_pytest", path=str(workspace))
    assert found["state"] == "failed"
    assert "ValueError: \\ud800" in found["tests"][0]["why"]
    found = await called(client, "check_syntax", path=str(workspace))
    assert [fault["path"] for fault in found["errors"]] == ["bad_\\udcff.py"]


async def test_run_pytest_in_split_mode_says_what_that_proves(
    client: Client[Any], workspace: Path
) -> None:
    put(workspace, test_of("from impl import add\ndef test_right(): assert add(2, 3) == 5\n"))
    verdict = await called(client, "run_pytest", path=str(workspace), policy="catalogue")
    assert verdict["ok"] is True
    assert verdict["proven"] == "outside"
    assert "only plain values crossed" in verdict["explanation"]


async def test_null_stands_for_a_default(client: Client[Any], workspace: Path) -> None:
    put(workspace, test_of(MIXED))
    verdict = await called(client, "run_pytest", path=str(workspace), tests=None, overlay=None)
    assert verdict["passed"] == 1


async def test_run_python_returns_what_a_script_did(client: Client[Any], workspace: Path) -> None:
    put(workspace, {"greet.py": "import sys\nprint('hello', sys.argv[1], input())\nsys.exit(3)\n"})
    result = await called(
        client, "run_python", path=str(workspace), file="greet.py", args=["a"], stdin="b\n"
    )
    seen = {key: result[key] for key in ("exit_code", "stdout", "stderr", "state", "truncated")}
    assert seen == {
        "exit_code": 3,
        "stdout": "hello a b\n",
        "stderr": "",
        "state": "failed",
        "truncated": False,
    }


async def test_arguments_as_long_as_they_may_be_reach_the_script(
    client: Client[Any], workspace: Path
) -> None:
    code = "import sys\nprint(len(sys.argv[1]))"
    found = await called(
        client, "run_python", path=str(workspace), code=code, args=["\U0001f600" * 99_999]
    )
    assert (found["state"], found["stdout"]) == ("ok", "99999\n")


async def test_run_python_shows_a_traceback_of_the_script_alone(
    client: Client[Any], workspace: Path
) -> None:
    put(workspace, {"fails.py": "def f():\n    return 1 / 0\n\nf()\n"})
    result = await called(client, "run_python", path=str(workspace), file="fails.py")
    assert result["exit_code"] == 1
    assert "ZeroDivisionError" in result["stderr"]
    assert "launch.py" not in result["stderr"]


@pytest.mark.parametrize(
    ("code", "limit", "seconds"),
    [
        ("while True: pass", "time", 1),
        ("while True: print('x' * 1000)", "output", 30),
        (
            "import time\nheld = [bytearray(400 << 20), bytearray(300 << 20)]\ntime.sleep(29)",
            "memory",
            30,
        ),
    ],
)
async def test_a_run_that_was_ended_says_at_which_limit(
    code: str, limit: str, seconds: int, client: Client[Any], workspace: Path
) -> None:
    result = await called(client, "run_python", path=str(workspace), code=code, timeout_s=seconds)
    assert result["limit"] == limit
    assert result["reason"]


async def test_a_reply_stays_short_enough_for_a_model(client: Client[Any], workspace: Path) -> None:
    cases = "".join(f"def test_{n}():\n    assert False, 'x' * 2000\n" for n in range(60))
    put(workspace, {"test_many.py": cases})
    verdict = await client.call_tool("run_pytest", {"path": str(workspace)})
    printed = await client.call_tool(
        "run_python", {"path": str(workspace), "code": "print('y' * 10**5)"}
    )
    for result in (verdict, printed):
        assert len(str(result.structured_content)) < 32_000
    assert verdict.structured_content is not None
    assert verdict.structured_content["failed"] == 60
    assert printed.structured_content is not None
    assert printed.structured_content["truncated"] is True


async def test_evaluate_answers_what_each_candidate_did(
    client: Client[Any], workspace: Path
) -> None:
    put(workspace, {"base.py": "ONE = 1\n"})
    evaluation = await called(
        client,
        "evaluate",
        path=str(workspace),
        candidates=[
            {"m.py": "from base import ONE\ndef inc(n): return n + ONE\n"},
            {"m.py": "raise ValueError('no')\n"},
        ],
        assertions=["assert inc(1) == 2", "assert inc(1) == 3"],
        calls=["inc(1.5)"],
    )
    assert 0 < evaluation.pop("started_at") <= evaluation.pop("ended_at")
    assert evaluation.pop("isolation")["level"] in {"bwrap", "landlock"}
    assert evaluation.pop("interpreter") == sys.executable
    assert isinstance(evaluation.pop("uid"), int)
    assert evaluation == snapshot(
        {
            "candidates": [
                {"load": "", "rows": ["pass", "fail: 2 != 3"], "values": ["= 2.5"]},
                {
                    "load": "ValueError: no",
                    "rows": ["error: not loaded", "error: not loaded"],
                    "values": ["error: not loaded"],
                },
            ],
            "proven": "in-process",
            "explanation": "Each cell ran in a process of its own, and each candidate apart from the others; the report's key was in none of them. Not proven: an assertion shares its cell with the candidate, so code written to cheat could forge its own outcomes, not those of others.",
        }
    )


async def test_the_largest_evaluation_fits_in_a_reply(client: Client[Any], workspace: Path) -> None:
    candidate = {"m.py": "def f(n): return 'é' * n\n"}
    result = await client.call_tool(
        "evaluate",
        {
            "path": str(workspace),
            "candidates": [candidate] * 3,
            "assertions": ["assert f(100) == f(200)"] * 60,
            "calls": [f"f({n} + 200)" for n in range(60)],
        },
    )
    assert result.structured_content is not None
    text = json.dumps(result.structured_content, ensure_ascii=False)
    assert len(text.encode()) < 32_000
    assert len(set(result.structured_content["candidates"][0]["values"])) == 60


async def test_check_syntax_names_the_first_fault_of_each_file(
    client: Client[Any], workspace: Path
) -> None:
    put(
        workspace, {"good.py": "x = 1\n", "bad.py": "def f(:\n    pass\n", "worse.py": "return 1\n"}
    )
    assert await called(client, "check_syntax", path=str(workspace)) == snapshot(
        {
            "ok": False,
            "errors": [
                {"path": "bad.py", "line": 1, "column": 7, "message": "invalid syntax"},
                {
                    "path": "worse.py",
                    "line": 1,
                    "column": 1,
                    "message": "'return' outside function",
                },
            ],
        }
    )
    alone = await called(client, "check_syntax", path=str(workspace / "good.py"))
    assert alone == {"ok": True, "errors": []}


@pytest.mark.parametrize(
    "source",
    ["(" * 200_000, "x = 1\0", "1" + "+1" * 300_000, "é" * 10**6, "-" * 400_000 + "1", "\ud800"],
    ids=["brackets", "nul", "sum", "too large", "signs", "surrogate"],
)
async def test_no_source_breaks_the_syntax_check(client: Client[Any], source: str) -> None:
    report = await called(client, "check_syntax", source=source)
    assert report["ok"] is False
    assert await called(client, "check_syntax", source="x = 1\n") == {"ok": True, "errors": []}


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "outside": ("run_pytest", {"path": "/etc"}, "lies outside"),
    "missing": ("run_pytest", {"path": "{ws}/none"}, "can't be opened"),
    "too long": ("run_pytest", {"path": "{ws}", "timeout_s": 601}, "at most 600"),
    "no time": ("run_pytest", {"path": "{ws}", "timeout_s": 0}, "at most 600"),
    "not a number": ("run_pytest", {"path": "{ws}", "timeout_s": "nan"}, "timeout_s"),
    "climbing": ("run_pytest", {"path": "{ws}", "tests": ["../x.py"]}, "not a path inside"),
    "climbing overlay": (
        "run_pytest",
        {"path": "{ws}", "overlay": {"/x": ""}},
        "not a path inside",
    ),
    "no candidate": (
        "evaluate",
        {"path": "{ws}", "candidates": [], "assertions": []},
        "no candidate",
    ),
    "too many candidates": (
        "evaluate",
        {"path": "{ws}", "candidates": [{"a.py": ""}] * 13, "assertions": []},
        "13 candidates are more than 12",
    ),
    "too long an assertion": (
        "evaluate",
        {"path": "{ws}", "candidates": [{"a.py": ""}], "assertions": ["#" * 65537]},
        "65537 bytes",
    ),
    "nothing to import": (
        "evaluate",
        {"path": "{ws}", "candidates": [{"test_a.py": ""}], "assertions": []},
        "candidate 0 has no Python file",
    ),
    "climbing candidate": (
        "evaluate",
        {"path": "{ws}", "candidates": [{"../a.py": ""}], "assertions": []},
        "not a path inside",
    ),
    "no module": (
        "evaluate",
        {"path": "{ws}", "candidates": [{}], "assertions": [], "modules": ["os; x"]},
        "not the name of a module",
    ),
    "nothing to run": ("run_python", {"path": "{ws}"}, "exactly one"),
    "two things to run": ("run_python", {"path": "{ws}", "code": "1", "file": "a"}, "exactly one"),
    "no such script": ("run_python", {"path": "{ws}", "file": "a.py"}, "no file"),
    "two things to check": ("check_syntax", {"path": "{ws}", "source": "1"}, "not both"),
    "nothing to check": ("check_syntax", {}, "neither `path` nor `source`"),
    "too much input": (
        "run_python",
        {"path": "{ws}", "code": "1", "stdin": "x" * (2**20 + 1)},
        "stdin has 1048577 bytes, more than 1048576",
    ),
    "an argument that is none": (
        "run_python",
        {"path": "{ws}", "code": "1", "args": ["a\0b"]},
        "NUL character",
    ),
    "many empty arguments": (
        "run_python",
        {"path": "{ws}", "code": "1", "args": [""] * 200_000},
        "the arguments have 199999 characters, more than 100000",
    ),
    "too long a target": (
        "run_pytest",
        {"path": "{ws}", "tests": ["test_a.py::" + "a" * 100_000]},
        "1 targets of 100011 characters are more than",
    ),
    "too many files of a candidate": (
        "evaluate",
        {"path": "{ws}", "candidates": [{f"a{n}.py": "" for n in range(101)}], "assertions": []},
        "101 files of a candidate are more than 100",
    ),
    "file outside": ("check_syntax", {"path": "/etc/passwd"}, "lies outside"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_bad_arguments_are_refused_with_a_clear_error(
    name: str, client: Client[Any], workspace: Path
) -> None:
    tool, arguments, message = REFUSALS[name]
    filled = {
        key: value.format(ws=workspace) if isinstance(value, str) else value
        for key, value in arguments.items()
    }
    with pytest.raises(ToolError, match=message):
        await client.call_tool(tool, filled)


async def test_sandbox_status_names_the_level_and_its_remedies(client: Client[Any]) -> None:
    status = await called(client, "sandbox_status")
    assert status["level"] in {"bwrap", "landlock", "seccomp"}
    assert status["level"] == "bwrap" or status["remedies"]
    assert status["interpreter"] == sys.executable


async def test_the_tools_tell_clients_what_they_are(client: Client[Any]) -> None:
    tools = {tool.name: tool for tool in await client.list_tools()}
    installs = {"prepare_packages", "environment"}
    runs = {
        "check_syntax", "coverage_report", "evaluate", "run_pytest", "run_python", "run_result", "sandbox_status",
    }  # fmt: skip
    assert set(tools) == installs | runs
    for tool in tools.values():
        schemas = f"{tool.input_schema} {tool.output_schema}"
        assert "$ref" not in schemas
        assert "anyOf" not in schemas
        assert "null" not in schemas
        assert tool.description is not None
        assert tool.description.startswith("Use ")
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name not in installs)


async def test_several_runs_at_once_each_get_their_own_verdict(
    client: Client[Any], workspace: Path
) -> None:
    verdicts: dict[int, dict[str, Any]] = {}

    async def run(number: int) -> None:
        folder = workspace / str(number)
        folder.mkdir()
        put(folder, {"test_it.py": f"def test_it(): assert {number} != 2\n"})
        verdicts[number] = await called(client, "run_pytest", path=str(folder))

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(run, number)
    assert {n: v["ok"] for n, v in verdicts.items()} == {n: n != 2 for n in range(5)}
