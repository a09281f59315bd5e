"""The scripts behind `make test-n8n`: commands with a deadline, and the workflows as they are imported."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "n8n"


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return _script("toolchain", monkeypatch)


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    return _script("exported", monkeypatch).exported_workflows("http://127.0.0.1:49152")


def _script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))  # pyright: ignore[reportUnknownMemberType]
    return __import__(name)


def test_a_command_returns_what_it_wrote(
    toolchain: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    written = toolchain.run("greeting", [sys.executable, "-c", "print('hello')"], deadline=10)
    assert written == "hello\n"
    assert "greeting ... ok (" in capsys.readouterr().out


def test_a_command_beside_others_is_told_in_a_line_of_its_own_when_it_ends(
    toolchain: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    toolchain.run("an installation", [sys.executable, "-c", ""], deadline=10, beside=True)
    assert capsys.readouterr().out.startswith("\n  an installation ... ok (")


def test_a_failed_command_is_told_with_the_end_of_its_output(toolchain: ModuleType) -> None:
    script = "import sys; print('x' * 9000); sys.exit('broken at the end')"
    with pytest.raises(toolchain.StepFailedError) as caught:
        toolchain.run("a build", [sys.executable, "-c", script], deadline=10)
    assert "a build: exit status 1" in str(caught.value)
    assert "broken at the end" in str(caught.value)
    assert len(str(caught.value)) < 7000


def test_a_command_that_hangs_is_killed_with_everything_it_started(
    toolchain: ModuleType, tmp_path: Path
) -> None:
    mark = tmp_path / "alive"
    script = f"(while :; do touch {mark}; sleep 0.05; done) & wait"
    with pytest.raises(toolchain.StepFailedError, match=r"a hang: not done after 1 s"):
        toolchain.run("a hang", ["sh", "-c", script], deadline=1)
    assert mark.exists()
    mark.unlink()
    time.sleep(0.5)  # ten rounds of the child, had it survived
    assert not mark.exists()


def test_every_workflow_is_imported_with_the_address_of_the_servers_under_test(
    imported: list[Any],
) -> None:
    texts = [workflow.text for workflow in imported]
    assert not any("8756" in text for text in texts)
    assert sum("http://127.0.0.1:49152/orchestrate/" in text for text in texts) == 2


def test_variants_of_a_workflow_share_no_id_and_no_path_with_it(imported: list[Any]) -> None:
    assert {w.path for w in imported} == {
        "atos-goal",
        "atos-goal-files",
        "atos-goal-sse",
        "atos-task",
        "atos-task-three",
        "atos-task-plan",
    }
    nodes = [node["id"] for w in imported for node in json.loads(w.text)["nodes"]]
    assert len(nodes) == len(set(nodes))
    assert len({w.id for w in imported}) == len(imported)
    assert {len(w.id) for w in imported} == {16}


def test_with_three_outputs_the_error_branch_is_the_fourth(imported: list[Any]) -> None:
    three = next(json.loads(w.text) for w in imported if w.path == "atos-task-three")
    outputs = three["connections"]["ATOS Agent Router"]["main"]
    reached = [[link["node"] for link in output] for output in outputs]
    assert reached == [["ATOS Result Aggregator"]] * 3 + [["Respond with error"]]
