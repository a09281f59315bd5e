"""The library as its help tells of it: every example is run, and so are the example programs."""

import doctest
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

import atos.client
from atos import Atos, AtosError, SyncAtos
from atos_protocol.goals import GoalView
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(240)
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def host() -> Generator[HostProcess]:
    with host_process() as host:
        yield host


def test_the_examples_of_its_help_are_true(host: HostProcess) -> None:
    names = {"AtosError": AtosError}
    examples = doctest.DocTestFinder().find(Atos, "Atos", atos.client, extraglobs=names)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    for each in examples:
        runner.run(each)
    assert (runner.failures, runner.tries >= 5) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        ["01_tracer_bullet.py"],
        ["02_without_await.py"],
        ["03_build_and_run.py"],
        ["03_build_and_run.py", "--async"],
        ["04_full_orchestration.py"],
    ],
    ids=" ".join,
)
def test_an_example_program_ends_well(host: HostProcess, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / words[0], *words[1:]], capture_output=True, text=True, timeout=200, check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    expected = (EXAMPLES / words[0]).with_suffix(".txt")
    assert not expected.exists() or done.stdout == expected.read_text("utf-8")


def test_without_await_there_is_every_method_but_the_one_that_returns_a_client() -> None:
    def public(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")}

    assert public(Atos) - public(SyncAtos) == {"connect", "tools"}


async def test_goals_are_typed_and_say_what_they_are(host: HostProcess) -> None:
    async with Atos.connect() as client:
        goals = await client.goals(limit=5)
        check = await client.check_goal("Write a Python function to add two numbers")
        names = await client.vram.names()
        said = repr(client), repr(client.vram)
    assert all(isinstance(goal, GoalView) for goal in goals)
    assert check.models == ("atos-mini",)
    assert "vram_status" in names
    assert said == (
        f"Atos(home={str(host.person / '.atos')!r})",
        "<tools of vram; await .names() lists them>",
    )


def test_a_wrong_tool_is_answered_with_those_that_exist(host: HostProcess) -> None:
    with Atos.connect() as client, pytest.raises(AtosError, match="no tool 'status'") as error:
        client.vram.status()
    assert (error.value.code, "vram_status" in error.value.next_step) == ("not_found", True)


@pytest.mark.timeout(30)
def test_an_interrupt_ends_the_block_although_a_call_is_under_way(atos_home: Path) -> None:
    def interrupted() -> None:
        with Atos.connect() as client:
            portal = client._portal  # pyright: ignore[reportPrivateUsage]
            portal.start_task_soon(anyio.sleep, 600)  # as `goal.result()` would be
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_two_threads_may_use_one_connection(host: HostProcess) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def look(client: SyncAtos) -> int:
        return len(client.goals())

    with Atos.connect() as client, ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(look, [client] * 8))
    assert len(set(counts)) == 1
