"""What code in the sandbox can import: the workspace and pytest, not ATOS nor what ATOS needs."""

import tomllib
from pathlib import Path

import pytest

from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox.guest_imports import OURS

pytestmark = pytest.mark.timeout(60)


async def printed(runner: Runner, workspace: Path, code: str) -> str:
    run = await runner.script(workspace, [workspace], Script(code=code))
    return run.outcome.stdout.text + run.outcome.stderr.text


@pytest.mark.parametrize("name", ["atos", "atos_servers"])
async def test_a_package_of_our_name_in_the_workspace_is_importable(
    name: str, runner: Runner, workspace: Path
) -> None:
    (workspace / name).mkdir()
    (workspace / name / "__init__.py").write_text("OWNER = 'workspace'\n")
    (workspace / name / "part.py").write_text("VALUE = 3\n")
    code = f"import {name}.part; print({name}.OWNER, {name}.part.VALUE)"
    assert await printed(runner, workspace, code) == "workspace 3\n"
    (workspace / "test_it.py").write_text(
        f"from {name}.part import VALUE\n\n\ndef test_it():\n    assert VALUE == 3\n"
    )
    run = await runner.tests(workspace, [workspace])
    # the judge has modules of that name itself, so the code shares the tests' process
    assert run.judgement.state == "unconfirmed", run.judgement.digest


@pytest.mark.parametrize("name", sorted(OURS))
async def test_the_installed_packages_are_not_importable(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    assert f"No module named '{name}'" in await printed(best_runner, workspace, f"import {name}")


def test_every_package_of_the_wheel_is_hidden() -> None:
    with (Path(__file__).parents[3] / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {Path(package).name for package in wheel["packages"]} == OURS


async def test_the_modules_of_the_launcher_itself_are_hidden_too(
    runner: Runner, workspace: Path
) -> None:
    code = "import sys; print([n for n in sys.modules if n.startswith('atos')])"
    assert await printed(runner, workspace, code) == "[]\n"


async def test_pytest_is_importable_and_comes_from_our_environment(
    runner: Runner, workspace: Path
) -> None:
    code = "import pytest, pluggy; print('site-packages' in pytest.__file__)"
    assert await printed(runner, workspace, code) == "True\n"


@pytest.mark.parametrize("name", ["anyio", "fastmcp", "httpx", "pydantic", "yaml"])
async def test_what_atos_itself_needs_is_not_importable(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    assert f"No module named '{name}'" in await printed(best_runner, workspace, f"import {name}")


async def test_tests_can_not_import_it_either(best_runner: Runner, workspace: Path) -> None:
    (workspace / "test_it.py").write_text("import yaml\n\n\ndef test_it():\n    assert yaml\n")
    run = await best_runner.tests(workspace, [workspace])
    assert run.judgement.state == "error"
    assert "No module named 'yaml'" in run.judgement.digest
