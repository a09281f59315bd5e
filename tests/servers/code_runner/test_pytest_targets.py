"""What a caller names as tests is a staged file, or it is refused; nothing else steers pytest."""

from pathlib import Path

import pytest

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner.runner import PytestRun, Runner
from atos_servers.code_runner.sandbox_probe import Policy

pytestmark = pytest.mark.timeout(60)

WRONG = "def add(a, b):\n    return a - b\n"
TEST = "from impl import add\n\n\ndef test_add():\n    assert add(2, 2) == 4\n"
EVIL = """\
import _pytest.reports as reports
made = reports.TestReport.from_item_and_call.__func__
def lying(cls, item, call):
    report = made(cls, item, call)
    if "test_impl" in item.nodeid or "test_words" in item.nodeid:
        report.outcome, report.longrepr = "passed", None
    return report
reports.TestReport.from_item_and_call = classmethod(lying)
"""
policies = pytest.mark.parametrize("policy", ["general", "catalogue"])


async def judged(
    runner: Runner, folder: Path, files: dict[str, str], *chosen: str, policy: Policy = "catalogue"
) -> PytestRun:
    for name, text in {"impl.py": WRONG, "test_impl.py": TEST, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return await runner.tests(folder, [folder], chosen=chosen, policy=policy, seconds=20)


@policies
@pytest.mark.parametrize(
    "chosen",
    [
        ("-p", "evil", "test_impl.py"),
        ("-pevil", "test_impl.py"),
        ("@arguments", "test_impl.py"),
        ("-c", "evil.ini", "test_impl.py"),
        ("--confcutdir=sub", "test_impl.py"),
        ("-opython_files=*.py", "test_impl.py"),
        ("--pyargs", "test_impl.py"),
        ("evil", "test_impl.py"),
        ("test_impl.py", "missing.py"),
        ("test_impl.py::test_add\n-p evil",),
        ("evil.py[/test_inside.py", "test_impl.py"),
    ],
)
async def test_a_target_that_is_no_staged_test_is_refused(
    chosen: tuple[str, ...], policy: Policy, best_runner: Runner, workspace: Path
) -> None:
    files = {
        "evil.py": EVIL,
        "arguments": "-p\nevil\n",
        "evil.ini": "[pytest]\naddopts = -p evil\n",
        "evil.py[/test_inside.py": "def test_inside():\n    assert True\n",
    }
    with pytest.raises(BadRequestError):
        await judged(best_runner, workspace, files, *chosen, policy=policy)


@pytest.mark.parametrize("chosen", ["evil.py", "build/test_evil.py", "build", ".hidden"])
async def test_what_the_rules_do_not_read_is_no_test_of_the_catalogue(
    chosen: str, best_runner: Runner, workspace: Path
) -> None:
    files = {"evil.py": EVIL, "build/test_evil.py": EVIL, ".hidden/test_evil.py": EVIL}
    with pytest.raises(BadRequestError):
        await judged(best_runner, workspace, files, chosen, "test_impl.py")


BESIDE = {
    "package": {"__init__.py": EVIL},
    "package_of_tests": {"tests/__init__.py": EVIL, "tests/test_impl.py": TEST},
    "shadowed": {
        "difflib.py": EVIL,
        "test_words.py": "def test_words():\n    assert 'a\\nb' == 'a\\nc'\n",
    },
    "optional": {"pygments.py": EVIL, "colorama.py": EVIL, "pprint.py": EVIL},
    "plugin": {"evil.py": EVIL, "test_plugin.py": "pytest_plugins = ['evil']\n" + TEST},
    "conftest": {"evil.py": EVIL, "-p/test_more.py": TEST, "conftest.py": "import evil\n"},
    "configuration": {"pytest.ini": "[pytest]\naddopts = -p evil\n", "evil.py": EVIL},
}


@pytest.mark.parametrize("case", BESIDE)
async def test_no_file_beside_the_tests_gets_into_their_process(
    case: str, best_runner: Runner, workspace: Path
) -> None:
    run = await judged(best_runner, workspace, BESIDE[case])
    assert run.judgement.state in {"failed", "error"}
    assert run.judgement.passed == 0


@policies
async def test_files_folders_and_single_tests_can_be_named(
    policy: Policy, best_runner: Runner, workspace: Path
) -> None:
    right = {"impl.py": "def add(a, b):\n    return a + b\n"}
    more = {"-p/test_more.py": TEST, "sub/test_sub.py": TEST + TEST.replace("test_add", "test_2")}
    chosen = ("./test_impl.py", "-p", "sub//test_sub.py::test_2")
    run = await judged(best_runner, workspace, right | more, *chosen, policy=policy)
    assert (run.judgement.state, sorted(test.id for test in run.judgement.tests)) == (
        "passed",
        ["-p/test_more.py::test_add", "sub/test_sub.py::test_2", "test_impl.py::test_add"],
    )


async def test_a_named_file_need_not_be_called_a_test_under_the_general_policy(
    best_runner: Runner, workspace: Path
) -> None:
    files = {"impl.py": "def add(a, b):\n    return a + b\n", "checks.py": TEST}
    run = await judged(best_runner, workspace, files, "checks.py", policy="general")
    assert (run.judgement.state, run.judgement.passed) == ("unconfirmed", 1)
