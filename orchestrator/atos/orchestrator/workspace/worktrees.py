"""Worktrees: one per task, one of the integrated result, and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import anyio

from atos.orchestrator.workspace.commits import task_branch
from atos.orchestrator.workspace.repository import GOAL_BRANCH, Repository, scaffold_key

RESULT = "result"
"""Folder of the integrated result, beside those of the tasks."""


async def open_worktree(repository: Repository, task_id: str) -> Path:
    """Return a task's worktree; make it from the goal's present line where it is not there yet.

    A worktree whose making was interrupted is made anew; a finished one is kept with all it holds.
    """
    folder = repository.trees / task_id
    marker = repository.trees / f"{task_id}.ready"
    if not marker.exists():
        await _forget(repository, folder)
        short = task_branch(task_id).removeprefix("refs/heads/")
        git = repository.git
        await git.run("worktree", "add", "-q", "--force", "-B", short, str(folder), GOAL_BRANCH)
        marker.touch()
    return folder


async def open_result(repository: Repository) -> Path:
    """Return a fresh checkout of everything that is integrated, for the final verification."""
    folder = repository.trees / RESULT
    await _forget(repository, folder)
    git = repository.git
    await git.run("worktree", "add", "-q", "--force", "--detach", str(folder), GOAL_BRANCH)
    return folder


async def close_repository(repository: Repository) -> None:
    """Remove ATOS's private folder of a goal that has ended; the repository itself stays.

    A goal that came to nothing takes its branch in a person's repository with it.
    """
    if await anyio.Path(repository.trees / "git").exists():
        await _drop_empty_branch(repository)
    await _remove(repository.trees)


async def _drop_empty_branch(repository: Repository) -> None:
    """Remove the goal's branch where it holds nothing but what it was opened with.

    Failures are let pass: the private folder may be half removed already, by a process that was killed.
    """
    head = await repository.git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH)
    if repository.own or not repository.base or not head:
        return
    span = f"{repository.base}..{head}"
    effects = "--format=%(trailers:key=Atos-Effect,valueonly)"
    code, made, _ = await repository.git.ask("log", effects, span)
    if code == 0 and set(made.split()) <= {scaffold_key(repository)}:
        branch = f"refs/heads/{repository.branch}"
        await repository.theirs.ask("update-ref", "-d", branch, head)


async def sweep(home: Path, live: Collection[str]) -> list[str]:
    """Remove the private folders of all goals but those named; return whose they were."""
    root = home / "worktrees"
    if not root.is_dir():
        return []
    dead = sorted(folder.name for folder in root.iterdir() if folder.name not in live)
    for name in dead:
        await _remove(root / name)
    return dead


async def _forget(repository: Repository, folder: Path) -> None:
    """Remove a worktree and what git knows of it, also where its making was cut off."""
    await _remove(folder)
    await _remove(repository.trees / "git" / "worktrees" / folder.name)


async def _remove(folder: Path) -> None:
    await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
