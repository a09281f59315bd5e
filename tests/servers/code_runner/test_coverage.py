"""Which lines the tests ran: per file, on each level, without touching the verdict."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError
from atos_protocol.settings import load_settings
from atos_protocol.verdicts import FileCoverage
from atos_servers.code_runner.covered_files import files_of, total_percent, worst_first
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services

pytestmark = pytest.mark.timeout(60)

FILES = {
    "impl.py": "def add(a, b):\n    if a < 0:\n        return 0\n    return a + b\n",
    "coverage.py": "def never():\n    return 1\n",
    "unused.py": "def unused():\n    return 1\n",
    "broken.py": "def broken(:\n",
    "test_impl.py": (
        "import coverage\nfrom impl import add\n\n\ndef test_add():\n"
        "    assert add(1, 2) == 3\n    assert coverage.never() == 1\n"
    ),
}


@pytest.fixture
def project(workspace: Path) -> Path:
    for name, text in FILES.items():
        (workspace / name).write_text(text)
    return workspace


async def test_each_file_is_measured_though_one_is_named_like_the_library(
    runner: Runner, project: Path
) -> None:
    run = await runner.coverage(project, [project])
    assert (run.judgement.state, run.coverage) == snapshot(
        (
            "unconfirmed",
            (
                FileCoverage("coverage.py", 2, 0, 100.0, ""),
                FileCoverage("impl.py", 4, 1, 75.0, "3"),
                FileCoverage("unused.py", 2, 2, 0.0, "1-2"),
            ),
        )
    )


async def test_measuring_is_a_run_of_its_own_and_leaves_the_verdict_alone(
    best_runner: Runner, project: Path
) -> None:
    run = await best_runner.tests(project, [project], coverage=True)
    assert (run.judgement.state, [file.missed for file in run.coverage]) == ("passed", [0, 1, 2])


async def test_code_that_ends_the_process_costs_the_measure_only(
    best_runner: Runner, workspace: Path
) -> None:
    (workspace / "impl.py").write_text("import os\n\n\ndef leave():\n    os._exit(0)\n")
    (workspace / "test_impl.py").write_text("import impl\n\n\ndef test_it():\n    impl.leave()\n")
    run = await best_runner.coverage(workspace, [workspace])
    assert (run.judgement.state, run.coverage) == ("incomplete", ())


async def test_the_catalogue_policy_has_no_process_to_measure_in(
    best_runner: Runner, project: Path
) -> None:
    with pytest.raises(BadRequestError, match="catalogue"):
        await best_runner.tests(project, [project], policy="catalogue", coverage=True)


def test_what_the_code_reports_of_itself_is_bounded_and_in_order() -> None:
    records: list[dict[str, Any]] = [
        {"event": "covered", "id": "a.py", "statements": 4, "missed": 9, "lines": "1-4"},
        {"event": "test", "id": "t"},
        {"event": "covered", "id": "b.py", "statements": 0, "missed": 0},
    ]
    files = files_of(records)
    assert (files, total_percent(files), worst_first(files)[0].path) == snapshot(
        (
            (FileCoverage("a.py", 4, 4, 0.0, "1-4"), FileCoverage("b.py", 0, 0, 100.0, "")),
            0.0,
            "a.py",
        )
    )


@pytest.fixture
async def client(project: Path, atos_home: Path) -> AsyncIterator[Client[Any]]:
    del atos_home

    async def tell_nobody(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    with connected(Connection(roots=(project,))):
        async with Client(build(Services(load_settings(), tell_nobody))) as opened:
            yield opened


async def test_the_report_names_the_worst_file_first(client: Client[Any], project: Path) -> None:
    result = await client.call_tool("coverage_report", {"path": str(project)})
    told = result.structured_content or {}
    assert (told["percent"], told["passed"], [file["path"] for file in told["files"]]) == snapshot(
        (62.5, 1, ["unused.py", "impl.py", "coverage.py"])
    )
