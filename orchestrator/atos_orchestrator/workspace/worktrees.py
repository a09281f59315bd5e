"""Worktrees: one per task, and one of the integrated result.

They are plain checkouts with an index of their own, not `git worktree`s: `git worktree add` reads what
others have half written, so two tasks could not open theirs at the same time. Nor do they contain a
`.git` that generated code could change.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import anyio

from atos_orchestrator.workspace.commits import task_branch
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository

RESULT = "result"
"""Folder of the integrated result, beside those of the tasks."""

PAUSES = (0.05, 0.2, 1.0)
"""Seconds between attempts to remove a folder: a process that is ending may still write into it."""

log = logging.getLogger(__name__)


async def open_worktree(repository: Repository, task_id: str) -> Path:
    """Return a task's worktree; create it from the goal's branch if it does not exist.

    A worktree whose creation was interrupted is created again; a complete one is kept as it is.
    """
    folder = repository.trees / task_id
    marker = repository.trees / f"{task_id}.ready"
    if not marker.exists() or not folder.exists():
        head = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
        await _check_out(repository, folder, head)
        await repository.git.run("update-ref", task_branch(task_id), head)
        marker.write_text(head)
    return folder


def is_lost(repository: Repository, task_id: str) -> bool:
    """Tell whether somebody removed a task's worktree, or ATOS's whole folder for the goal."""
    trees = repository.trees
    opened = (trees / f"{task_id}.ready").exists()
    return not trees.exists() or (opened and not (trees / task_id).exists())


async def open_result(repository: Repository, commit: str = GOAL_BRANCH) -> Path:
    """Return a fresh checkout of a commit that has everything, for the final verification."""
    folder = repository.trees / RESULT
    head = await repository.git.run("rev-parse", "--verify", commit)
    await _check_out(repository, folder, head)
    return folder


async def _check_out(repository: Repository, folder: Path, commit: str) -> None:
    """Fill a folder with a commit's files, whatever was in it before."""
    await remove_folder(folder)
    await anyio.Path(folder).mkdir()
    index = repository.trees / f"{folder.name}.index"
    for left_over in (index, index.with_name(f"{index.name}.lock")):
        left_over.unlink(missing_ok=True)
    here = replace(repository.git, where=folder)
    files = here.having(GIT_WORK_TREE=folder, GIT_INDEX_FILE=index)
    await files.run("read-tree", "--reset", "-u", commit)


async def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, in several attempts."""
    for pause in PAUSES:
        if await anyio.to_thread.run_sync(_removed, folder):
            return
        await anyio.sleep(pause)
    if not await anyio.to_thread.run_sync(_removed, folder):
        log.warning("%s can't be removed whole", folder)


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
