"""Worktrees: one per task, one of the integrated result, and their removal.

They are plain checkouts with an index of their own, not `git worktree`s: `git worktree add` reads what
others have half written, so two tasks could not open theirs at the same time. Nor do they contain a
`.git` that generated code could change.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import anyio

from atos_orchestrator.workspace.commits import task_branch
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository, scaffold_key

RESULT = "result"
"""Folder of the integrated result, beside those of the tasks."""


async def open_worktree(repository: Repository, task_id: str) -> Path:
    """Return a task's worktree; create it from the goal's branch if it does not exist.

    A worktree whose creation was interrupted is created again; a complete one is kept as it is.
    """
    folder = repository.trees / task_id
    marker = repository.trees / f"{task_id}.ready"
    if not marker.exists():
        head = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
        await _check_out(repository, folder, head)
        await repository.git.run("update-ref", task_branch(task_id), head)
        marker.touch()
    return folder


async def open_result(repository: Repository) -> Path:
    """Return a fresh checkout of everything that is integrated, for the final verification."""
    folder = repository.trees / RESULT
    head = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
    await _check_out(repository, folder, head)
    return folder


async def _check_out(repository: Repository, folder: Path, commit: str) -> None:
    """Fill a folder with a commit's files, whatever was in it before."""
    await _remove(folder)
    await anyio.Path(folder).mkdir()
    index = repository.trees / f"{folder.name}.index"
    for left_over in (index, index.with_name(f"{index.name}.lock")):
        left_over.unlink(missing_ok=True)
    here = replace(repository.git, where=folder)
    files = here.having(GIT_WORK_TREE=folder, GIT_INDEX_FILE=index)
    await files.run("read-tree", "--reset", "-u", commit)


async def close_repository(repository: Repository) -> None:
    """Remove ATOS's private folder of a goal that has ended; the repository itself stays.

    If a goal produced nothing, its branch in a person's repository is removed as well.
    """
    if await anyio.Path(repository.trees / "git").exists():
        await _drop_empty_branch(repository)
    await _remove(repository.trees)


async def _drop_empty_branch(repository: Repository) -> None:
    """Remove the goal's branch if it contains only the goal's first commit.

    Failures are ignored: a killed process may have removed half of the private folder already.
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
    """Remove the private folders of all goals but those named; return the removed ones."""
    root = home / "worktrees"
    if not root.is_dir():
        return []
    dead = sorted(folder.name for folder in root.iterdir() if folder.name not in live)
    for name in dead:
        await _remove(root / name)
    return dead


async def _remove(folder: Path) -> None:
    await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
