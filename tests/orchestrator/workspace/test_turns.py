"""Several tasks, workers and processes at once in the repository of one goal."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.workspace import Repository, publish, turns
from atos_orchestrator.workspace.turns import TURN, turn
from atos_protocol.errors import BusyError, WorkspaceError
from doubles.goal_repository import git, integrated, opened, work

TASKS = [f"T{number}" for number in range(1, 9)]

WORKER = """
import json, sys
from pathlib import Path
import anyio
from atos_orchestrator.durable_json import decode
from atos_orchestrator.workspace import Repository, integrate, publish

async def main(repository, tasks):
    for task in tasks:
        await integrate(repository, task, key=f"g1:{task}")
        found = await publish(repository)
        assert not found.trouble, found

anyio.run(main, decode(Repository, json.loads(Path(sys.argv[1]).read_text())), sys.argv[2:])
"""


async def committed(tmp_path: Path) -> Repository:
    repository = await opened(tmp_path)
    for task in TASKS:
        await work(repository, task, {f"{task.lower()}.py": f"name = {task!r}\n"})
    return repository


def published(repository: Repository) -> tuple[list[str], str, list[str]]:
    """Return the tasks on `main`, what isn't committed there, and the branches."""
    path = repository.path
    subjects = git(path, "log", "--format=%s", "main").splitlines()
    branches = git(path, "branch", "--format=%(refname:short)").split()
    return sorted(subjects), git(path, "status", "--porcelain"), branches


ALL_PUBLISHED = (sorted(["Set up the repository", *(f"Do {task}" for task in TASKS)]), "", ["main"])


@pytest.mark.timeout(90)
async def test_tasks_that_are_integrated_at_the_same_moment_are_all_published(
    tmp_path: Path,
) -> None:
    repository = await committed(tmp_path)

    async with anyio.create_task_group() as group:
        for task in TASKS:
            group.start_soon(integrated, repository, task)

    assert published(repository) == ALL_PUBLISHED


@pytest.mark.timeout(90)
async def test_a_worker_that_was_taken_for_dead_and_its_successor_lose_nothing(
    tmp_path: Path,
) -> None:
    repository = await committed(tmp_path)

    async def worker(tasks: Sequence[str]) -> None:
        decision = str(repository.trees / "repository.json")
        command = [sys.executable, "-c", WORKER, decision, *tasks]
        done = await anyio.run_process(command, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, done.stderr.decode()

    async with anyio.create_task_group() as group:
        group.start_soon(worker, TASKS)
        group.start_soon(worker, TASKS[::-1])
        group.start_soon(worker, TASKS)

    assert published(repository) == ALL_PUBLISHED


async def test_whoever_waits_too_long_for_the_turn_says_so_and_may_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
    repository = await opened(tmp_path)

    async with turn(repository):
        with pytest.raises(BusyError, match="has been at work for this goal") as refused:
            await publish(repository)

    assert refused.value.retry
    assert not (await publish(repository)).trouble


async def test_a_turn_whose_file_was_removed_is_taken_anew_and_still_excludes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
    repository = await opened(tmp_path)
    (repository.trees / TURN).unlink(missing_ok=True)

    async with turn(repository):
        with pytest.raises(BusyError):
            await publish(repository)


async def test_without_the_goals_folder_there_is_no_turn(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    shutil.rmtree(repository.trees)

    with pytest.raises(WorkspaceError, match="is no longer there"):
        await publish(repository)
