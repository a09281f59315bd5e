"""A broken environment is the machine's failure: it is an error, never a verdict on the code.

The environments here are really broken: virtual environments without pytest, with a pytest that
raises, and interpreters that can't be started.
"""

import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from atos_protocol.errors import SandboxUnavailableError
from atos_servers.code_runner.interpreter import Interpreter, this_interpreter
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox_probe import probe

pytestmark = pytest.mark.timeout(60)

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def project(workspace: Path) -> Path:
    (workspace / "impl.py").write_text("def add(a, b):\n    return a + b\n")
    (workspace / "test_impl.py").write_text(
        "from impl import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    return workspace


@pytest.fixture
def bare(tmp_path: Path) -> Interpreter:
    """A virtual environment of its own, without pytest."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    ours = this_interpreter()
    return Interpreter(
        str(folder / "bin" / "python"),
        str(folder),
        (str(folder / "lib" / VERSION / "site-packages"),),
        (*ours.readable, str(folder)),
    )


def install(python: Interpreter, name: str, text: str) -> None:
    (Path(python.site[0]) / name).write_text(text)


async def test_no_pytest_is_an_error_that_names_interpreter_module_and_remedy(
    bare: Interpreter, project: Path
) -> None:
    with pytest.raises(SandboxUnavailableError) as raised:
        await Runner(python=bare).tests(project, [project])
    assert bare.executable in raised.value.message
    assert "No module named 'pytest'" in raised.value.message
    assert f"{bare.executable} -m pip install pytest" in raised.value.next_step


async def test_the_status_names_a_broken_environment_and_notices_its_repair(
    bare: Interpreter, project: Path
) -> None:
    runner = Runner(python=bare)
    sandbox = await runner.sandbox()
    assert sandbox.level is None
    assert "No module named 'pytest'" in sandbox.description
    assert "pip install pytest" in sandbox.remedies[0]
    ours = this_interpreter().site
    install(bare, "ours.pth", "\n".join(ours))
    repaired = replace(bare, site=(*bare.site, *ours))
    assert (await probe(repaired)).level is not None


@pytest.mark.parametrize(
    "text",
    [
        "raise RuntimeError('out of order')\n",
        "import no_such_dependency\n",
        "raise SystemExit(0)\n",
    ],
    ids=["raises", "lacks a dependency", "exits"],
)
async def test_a_pytest_that_breaks_after_the_probe_is_no_verdict_on_the_code(
    text: str, bare: Interpreter, project: Path
) -> None:
    install(bare, "pytest.py", text)
    sandbox = replace(await probe(), python=bare)
    with pytest.raises(SandboxUnavailableError, match="importing pytest failed"):
        await Runner(sandbox, python=bare).tests(project, [project])


async def test_a_broken_pytest_is_no_verdict_in_split_mode_either(
    bare: Interpreter, project: Path
) -> None:
    sandbox = replace(await probe(), python=bare)
    with pytest.raises(SandboxUnavailableError, match="importing pytest failed"):
        await Runner(sandbox, python=bare).tests(project, [project], policy="catalogue")


async def test_an_interpreter_that_is_not_there_is_named(bare: Interpreter, project: Path) -> None:
    gone = replace(bare, executable=f"{bare.prefix}/bin/no-python")
    runner = Runner(replace(await probe(), python=gone), python=gone)
    with pytest.raises(SandboxUnavailableError, match=r"no-python.*can't be started"):
        await runner.tests(project, [project])
    with pytest.raises(SandboxUnavailableError, match=r"no-python.*can't be started"):
        await runner.script(project, [project], Script(code="print(1)"))


def break_executable(python: Interpreter) -> None:
    executable = Path(python.executable)
    executable.unlink()
    executable.write_text("#!/bin/sh\necho 'libpython is missing' >&2\nexit 127\n")
    executable.chmod(0o755)


async def test_an_interpreter_that_ends_at_once_is_no_failing_code(
    bare: Interpreter, project: Path
) -> None:
    break_executable(bare)
    runner = Runner(replace(await probe(), python=bare), python=bare)
    for run in (
        runner.tests(project, [project]),
        runner.script(project, [project], Script(code="print(1)")),
        runner.syntax(None, [project], "x = 1\n"),
    ):
        with pytest.raises(SandboxUnavailableError, match="libpython is missing"):
            await run


async def test_code_that_ends_the_process_is_still_the_codes_failure(
    best_runner: Runner, project: Path
) -> None:
    (project / "impl.py").write_text("import os\nos._exit(0)\n")
    run = await best_runner.tests(project, [project])
    assert run.judgement.state == "error"
