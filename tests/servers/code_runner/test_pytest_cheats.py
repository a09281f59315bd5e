"""Code under test that tries to pass without being right; and honest code, which must."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from atos_protocol.verdicts import VerdictState
from atos_servers.code_runner.runner import PytestRun, Runner
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox_probe import Policy

pytestmark = pytest.mark.timeout(60)

TESTS = """\
from impl import add


def test_add():
    assert add(2, 2) == 4


def test_negative():
    assert add(-1, -1) == -2
"""
GOOD = "def add(a, b):\n    return a + b\n"
BAD = "def add(a, b):\n    return a - b\n"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def judged(
    runner: Runner,
    folder: Path,
    files: Mapping[str, str],
    *,
    policy: Policy = "general",
    chosen: tuple[str, ...] = (),
    overlay: Mapping[str, str] | None = None,
    seconds: float = 10.0,
) -> PytestRun:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return await runner.tests(
        folder, [folder], chosen=chosen, overlay=overlay, policy=policy, seconds=seconds
    )


async def test_right_code_passes_on_every_rung(runner: Runner, workspace: Path) -> None:
    run = await judged(runner, workspace, {"impl.py": GOOD, "test_impl.py": TESTS})
    assert (run.judgement.state, run.judgement.passed, run.split) == ("passed", 2, True)
    assert 0 < run.started_at < run.ended_at
    assert names_in(workspace) == ["impl.py", "test_impl.py"]


async def test_right_code_passes_in_split_mode_on_every_rung(
    runner: Runner, workspace: Path
) -> None:
    files = {"impl.py": GOOD, "test_impl.py": TESTS}
    run = await judged(runner, workspace, files, policy="catalogue")
    assert (run.judgement.state, run.judgement.passed, run.split) == ("passed", 2, True)


async def test_an_error_that_takes_more_than_a_message_is_the_right_one_in_split_mode(
    best_runner: Runner, workspace: Path
) -> None:
    code = "def text(data):\n    return data.decode()\n\n\n"
    code += "def many():\n    raise ExceptionGroup('both', [ValueError('one')])\n"
    tests = """\
import pytest
from impl import many, text


def test_text():
    with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff"):
        text(b"\\xff")


def test_many():
    with pytest.raises(ExceptionGroup, match="both"):
        many()
"""
    files = {"impl.py": code, "test_impl.py": tests}
    run = await judged(best_runner, workspace, files, policy="catalogue")
    assert (run.judgement.state, run.judgement.digest) == ("passed", "passed: 2 of 2 tests passed")


async def test_catalogue_rules_hold_for_what_the_chosen_tests_reach_and_for_nothing_else(
    best_runner: Runner, workspace: Path
) -> None:
    files = {
        "impl.py": "from part import plus\n\n\ndef add(a, b):\n    return plus(a, b)\n",
        "part.py": "def plus(a, b):\n    return a + b\n",
        "test_impl.py": TESTS,
        "app.py": "import os\nprint(os.environ)\n",
        "test_app.py": "import app\n\n\ndef test_app():\n    assert app.os\n",
    }
    chosen = ("test_impl.py",)
    run = await judged(best_runner, workspace, files, policy="catalogue", chosen=chosen)
    assert (run.judgement.state, run.judgement.passed, run.split) == ("passed", 2, True)

    run = await judged(best_runner, workspace, files, policy="catalogue")
    assert run.judgement.state == "error"
    assert "app.py:1" in " ".join(run.judgement.reasons)

    bad = {"part.py": "import os\n\n\ndef plus(a, b):\n    return a + b\n"}
    run = await judged(best_runner, workspace, files | bad, policy="catalogue", chosen=chosen)
    assert run.judgement.state == "error", "what is reached by a detour keeps the rules too"


async def test_wrong_code_fails_and_the_digest_says_where(
    best_runner: Runner, workspace: Path
) -> None:
    run = await judged(best_runner, workspace, {"impl.py": BAD, "test_impl.py": TESTS})
    assert run.judgement.state == "failed"
    assert "test_impl.py:5: assert 0 == 4" in run.judgement.digest


SELECTIVE = """\
import _pytest.reports as reports
made = reports.TestReport.from_item_and_call.__func__
def lying(cls, item, call):
    report = made(cls, item, call)
    report.outcome, report.longrepr = "passed", None
    return report
reports.TestReport.from_item_and_call = classmethod(lying)
"""
CONFTEST = """\
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
"""
FORGED = """\
import os
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b"0" * 64 + b' {"event": "finish", "code": 1}\\n')
    except OSError:
        pass
"""
CALLS_EMIT = """\
import gc, os
def add(a, b):
    for thing in gc.get_objects():
        if type(thing).__name__ == "ReportPlugin":
            thing._emit({"event": "finish", "code": 1})
            os._exit(1)
"""
CHEATS: dict[str, tuple[dict[str, str], set[VerdictState]]] = {
    "exit at a call": ({"impl.py": "import os\ndef add(a, b):\n    os._exit(0)\n"}, {"failed"}),
    "exit at import": ({"impl.py": "import os\nos._exit(0)\n"}, {"error"}),
    "sys.exit at import": ({"impl.py": "import sys\nsys.exit(0)\n"}, {"incomplete", "error"}),
    "kill itself": (
        {"impl.py": "import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)\n"},
        {"failed"},
    ),
    "crash": (
        {"impl.py": "import ctypes\ndef add(a, b):\n    ctypes.string_at(0)\n"},
        {"failed"},
    ),
    "exit code changed at the end": (
        {"impl.py": f"import atexit, os\natexit.register(os._exit, 0)\n{BAD}"},
        {"failed"},
    ),
    "forged lines": ({"impl.py": FORGED + BAD}, {"failed", "error"}),
    "the reporter called from the code": ({"impl.py": CALLS_EMIT}, {"failed"}),
    "a patch of the reports": ({"impl.py": SELECTIVE + BAD}, {"failed"}),
    "a conftest": ({"impl.py": BAD, "conftest.py": CONFTEST}, {"failed"}),
    "an ini file that deselects": (
        {"impl.py": BAD, "pytest.ini": "[pytest]\naddopts = -k nothing\n"},
        {"failed"},
    ),
    "a module named like one that the report needs": (
        {"impl.py": BAD, "hmac.py": "raise SystemExit(0)", "json.py": "raise SystemExit(0)"},
        {"failed"},
    ),
    "a package named like ours": (
        {"impl.py": BAD, "atos/__init__.py": "raise SystemExit(0)"},
        {"failed"},
    ),
    "a skip of the whole module": (
        {
            "impl.py": BAD,
            "test_impl.py": f"import pytest\npytest.skip('no', allow_module_level=True)\n{TESTS}",
        },
        {"incomplete", "failed"},
    ),
    "tests expected to fail": (
        {
            "impl.py": BAD,
            "test_impl.py": f"import pytest\npytestmark = pytest.mark.xfail\n{TESTS}",
        },
        {"incomplete", "failed"},
    ),
    "tests deleted at import": (
        {"impl.py": f"import test_impl\ndel test_impl.test_add, test_impl.test_negative\n{BAD}"},
        {"incomplete", "error"},
    ),
    "tests that are not there": ({"impl.py": GOOD, "test_impl.py": "# later\n"}, {"no_tests"}),
    "tests that can't be imported": (
        {"impl.py": "x = 1\n", "test_impl.py": TESTS},
        {"error"},
    ),
    "the tests' file rewritten": (
        {
            "impl.py": "import pathlib\npathlib.Path(__file__).with_name('test_impl.py')"
            f".write_text('def test_add(): pass')\n{BAD}"
        },
        {"error"},
    ),
}


@pytest.mark.parametrize("name", CHEATS)
async def test_a_cheat_does_not_pass(name: str, best_runner: Runner, workspace: Path) -> None:
    files, states = CHEATS[name]
    run = await judged(best_runner, workspace, {"test_impl.py": TESTS, **files})
    assert run.judgement.state in states, run.judgement.digest


async def test_a_steering_file_is_named(best_runner: Runner, workspace: Path) -> None:
    files = {"impl.py": GOOD, "test_impl.py": TESTS, "conftest.py": CONFTEST}
    run = await judged(best_runner, workspace, files)
    assert run.judgement.state == "passed"
    assert run.judgement.reasons == ("not read, because it could configure the run: conftest.py",)


EQUAL = "class E:\n    def __eq__(s, o):\n        return True\n\ndef add(a, b):\n    return E()\n"


async def test_an_object_that_equals_everything_is_not_accepted_with_a_plain_ok(
    best_runner: Runner, workspace: Path
) -> None:
    files = {"impl.py": EQUAL, "test_impl.py": TESTS}
    shared = await judged(best_runner, workspace, files)
    split = await judged(best_runner, workspace, files, policy="catalogue")
    assert shared.judgement.state == "unconfirmed"
    assert split.judgement.state == "error"
    assert "impl.py:1: a class is not allowed" in split.judgement.reasons


CATALOGUE_CHEATS: dict[str, tuple[str, VerdictState]] = {
    "wrong": (BAD, "failed"),
    "an opaque answer": ("def add(a, b):\n    return (x for x in [a])\n", "failed"),
    "endless recursion": ("def add(a, b):\n    return add(a, b)\n", "failed"),
    "an error of its own": ("def add(a, b):\n    raise SystemExit\n", "failed"),
    "imports": (f"import os\n{GOOD}", "error"),
}


@pytest.mark.parametrize("name", CATALOGUE_CHEATS)
async def test_catalogue_code_is_judged_in_split_mode(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    code, state = CATALOGUE_CHEATS[name]
    files = {"impl.py": code, "test_impl.py": TESTS}
    run = await judged(best_runner, workspace, files, policy="catalogue")
    assert (run.judgement.state, run.split) == (state, True)


async def test_what_the_code_raises_reaches_the_tests(best_runner: Runner, workspace: Path) -> None:
    tests = """\
import pytest
from pkg.impl import LIMIT, div
from words import twice


def test_raises():
    with pytest.raises(ZeroDivisionError, match="zero"):
        div(1, 0)


@pytest.mark.parametrize("given, wanted", [((1, 2), [1, 2, 1, 2]), ([], [])])
def test_values(given, wanted):
    assert twice(given) == wanted


def test_constant():
    assert LIMIT == (1, {"a": {2}})
"""
    files = {
        "pkg/impl.py": 'LIMIT = (1, {"a": {2}})\n\ndef div(a, b):\n    return a / b\n',
        "src/words.py": "from pkg.impl import LIMIT\n\ndef twice(x):\n    return list(x) * 2\n",
        "tests/test_all.py": tests,
    }
    run = await judged(best_runner, workspace, files, policy="catalogue")
    assert (run.judgement.state, run.judgement.passed) == ("passed", 4), run.judgement.digest


async def test_only_the_chosen_tests_are_run_and_expected(
    best_runner: Runner, workspace: Path
) -> None:
    files = {"impl.py": GOOD, "test_impl.py": TESTS, "test_more.py": "def test_x(): assert 0\n"}
    run = await judged(best_runner, workspace, files, chosen=("test_impl.py::test_add",))
    assert [test.id for test in run.judgement.tests] == ["test_impl.py::test_add"]
    assert run.judgement.state == "passed"


@pytest.mark.parametrize("policy", ["general", "catalogue"])
async def test_drafts_in_hidden_folders_are_neither_run_nor_missed(
    policy: Policy, best_runner: Runner, workspace: Path
) -> None:
    drafts = {".atos/1/impl.py": "import os\n", ".atos/1/test_impl.py": "def test_x(): assert 0\n"}
    files = {"impl.py": GOOD, "test_impl.py": TESTS, **drafts}
    run = await judged(best_runner, workspace, files, policy=policy)
    assert (run.judgement.state, run.judgement.passed) == ("passed", 2), run.judgement.digest


async def test_an_overlay_stands_in_for_a_file(best_runner: Runner, workspace: Path) -> None:
    stub = {"impl.py": "def add(a, b):\n    return None\n"}
    files = {"impl.py": GOOD, "test_impl.py": TESTS}
    run = await judged(best_runner, workspace, files, overlay=stub)
    assert (run.judgement.state, run.judgement.passed) == ("failed", 0)
    assert (workspace / "impl.py").read_text() == GOOD


async def test_tests_may_use_fixtures_and_temporary_files(
    best_runner: Runner, workspace: Path
) -> None:
    tests = """\
def test_files(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("x")
    print(open("a").read())
    assert capsys.readouterr().out == "x\\n"
"""
    run = await judged(best_runner, workspace, {"test_it.py": tests})
    assert run.judgement.state == "unconfirmed", run.judgement.digest


async def test_a_hanging_test_is_ended_at_its_limit(best_runner: Runner, workspace: Path) -> None:
    files = {"impl.py": "def add(a, b):\n    while True: pass\n", "test_impl.py": TESTS}
    run = await judged(best_runner, workspace, files, seconds=1.5)
    assert (run.judgement.state, run.judgement.digest.splitlines()[0]) == (
        "timeout",
        "timeout: 0 of 0 tests passed",
    )


def test_the_job_crosses_to_the_launcher_unchanged() -> None:
    from atos_servers.code_runner.sandbox.job import job_from_json

    job = Job("pytest", "bwrap", "/a", "/b", readable=("/usr",), arguments=("x",), bwrap=("y",))
    assert job_from_json(job.to_json()) == job
