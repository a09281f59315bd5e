"""Installed packages are importable in the sandbox, read-only, and do nothing by being there."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atos_servers.code_runner.packages.environments import Environments
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from doubles.package_index import Wheel, only_index

pytestmark = pytest.mark.timeout(120)

GREETING = Wheel(
    "greeting",
    {
        "greeting/__init__.py": "from wording import HELLO\n\ndef greet(name):\n    return HELLO + name\n",
        "greeting.pth": "import sys; sys.modules['from_pth'] = sys\n",
        "sitecustomize.py": "import sys; sys.modules['from_pth'] = sys\n",
        "pytest.py": "raise RuntimeError('not the pytest that runs the tests')\n",
        "greeting_plugin.py": "def pytest_runtest_call():\n    raise RuntimeError('a plugin ran')\n",
        "greeting-1.0.dist-info/entry_points.txt": "[pytest11]\ngreeting = greeting_plugin\n",
    },
    needs=["wording"],
)
WORDING = Wheel("wording", {"wording.py": "HELLO = 'hello '\n"})

TESTS = """\
import sys
import pytest
from app import welcome
from greeting import greet

def test_it():
    assert welcome('you') == greet('you') == 'hello you'

def test_nothing_ran_by_itself():
    assert 'from_pth' not in sys.modules

def test_it_is_read_only():
    import greeting
    with pytest.raises(OSError):
        open(greeting.__file__, 'a')
"""


@pytest.fixture(scope="module")
async def packages() -> AsyncIterator[tuple[str, ...]]:
    """The same environment for all tests of this module: nothing can change it."""
    with (
        tempfile.TemporaryDirectory(prefix="atosenv") as root,
        pytest.MonkeyPatch.context() as patch,
        only_index(patch) as index,
    ):
        index.add(GREETING, WORDING)
        environments = Environments(Path(root))
        await environments.prepare(["greeting"])
        yield environments.folders(["greeting"])


async def test_tests_run_with_the_packages_on_each_level(
    runner: Runner, workspace: Path, packages: tuple[str, ...]
) -> None:
    (workspace / "app.py").write_text("import greeting\n\nwelcome = greeting.greet\n")
    (workspace / "test_app.py").write_text(TESTS)
    run = await runner.tests(workspace, [workspace], packages=packages)
    assert (run.judgement.state, run.judgement.passed) == ("unconfirmed", 3), run.judgement.digest


async def test_a_script_runs_with_the_packages_on_each_level(
    runner: Runner, workspace: Path, packages: tuple[str, ...]
) -> None:
    script = Script(
        code="import greeting, sys; print(greeting.greet('you'), 'from_pth' in sys.modules)"
    )
    run = await runner.script(workspace, [workspace], script, packages=packages)
    assert (run.outcome.stdout.text, run.outcome.stderr.text) == ("hello you False\n", "")


async def test_without_being_asked_for_they_are_not_there(
    runner: Runner, workspace: Path, packages: tuple[str, ...]
) -> None:
    del packages
    run = await runner.script(workspace, [workspace], Script(code="import greeting"))
    assert "No module named 'greeting'" in run.outcome.stderr.text


async def test_a_module_of_the_workspace_goes_before_a_package(
    runner: Runner, workspace: Path, packages: tuple[str, ...]
) -> None:
    (workspace / "wording.py").write_text("HELLO = 'our own '\n")
    script = Script(code="import greeting; print(greeting.greet('word'))")
    run = await runner.script(workspace, [workspace], script, packages=packages)
    assert run.outcome.stdout.text == "our own word\n"
