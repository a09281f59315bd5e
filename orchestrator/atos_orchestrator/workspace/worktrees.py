"""Worktrees: one per task, one of the integrated result, and their removal.

They are plain checkouts with an index of their own, not `git worktree`s: `git worktree add` reads what
others have half written, so two tasks could not open theirs at the same time. Nor do they contain a
`.git` that generated code could change.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio

from atos_orchestrator.workspace.checkout import unlock
from atos_orchestrator.workspace.commits import task_branch
from atos_orchestrator.workspace.opening import recall
from atos_orchestrator.workspace.publication import COMMIT_FORMAT, commits_of, effects
from atos_orchestrator.workspace.repository import (
    DECISION,
    GOAL_BRANCH,
    UNPUBLISHED,
    WRITING,
    Repository,
    scaffold_key,
)
from atos_protocol.errors import AtosError, WorkspaceError

RESULT = "result"
"""Folder of the integrated result, beside those of the tasks."""


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

    If a goal produced nothing, its branch in a person's repository is removed as well. What could not be
    published stays in ATOS's own git directory, without worktrees, until the goal has been resumed.
    """
    if repository.unpublished.exists():
        return await _reduce(repository)
    if await anyio.Path(repository.trees / "git").exists():
        with suppress(WorkspaceError):
            await _drop_empty_branch(repository)
    return await _remove(repository.trees)


async def _reduce(repository: Repository) -> None:
    """Leave nothing of the private folder but the goal's branch, and what is needed to open it again."""
    staying = {"git", DECISION, UNPUBLISHED, WRITING}
    for place in [each for each in repository.trees.iterdir() if each.name not in staying]:
        await _remove(place) if place.is_dir() else place.unlink(missing_ok=True)
    with suppress(WorkspaceError):
        listed = await repository.git.run("for-each-ref", "--format=%(refname)", task_branch("*"))
        for branch in listed.split():
            await repository.git.run("update-ref", "-d", branch)


async def _drop_empty_branch(repository: Repository) -> None:
    """Remove the goal's branch if it contains only the goal's first commit, and nobody looks at it.

    Failures are ignored: a killed process may have removed half of the private folder already.
    """
    head = await repository.git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH)
    if repository.own or not repository.base or not head:
        return
    span = f"{repository.base}..{head}"
    code, log, _ = await repository.git.ask("log", COMMIT_FORMAT, span)
    made = [effects(message, repository.goal) for _, message in commits_of(log)]
    if code == 0 and all(keys == frozenset({scaffold_key(repository)}) for keys in made):
        branch = f"refs/heads/{repository.branch}"
        looked_at = await repository.theirs.run("for-each-ref", "--format=%(worktreepath)", branch)
        if not looked_at:
            await repository.theirs.ask("update-ref", "-d", branch, head)


async def sweep(home: Path, unfinished: Callable[[], Awaitable[Collection[str]]]) -> list[str]:
    """Remove the private folders of all goals but the unfinished ones; return the removed ones.

    One that holds what could not be published stays. Goals begin and go on meanwhile, so it is asked which are
    unfinished after the folders were listed, and for each of them.
    """
    root, removed = home / "worktrees", list[str]()
    for name in sorted(folder.name for folder in root.iterdir()) if root.is_dir() else ():
        if name in await unfinished() or (root / name / UNPUBLISHED).exists():
            continue
        with suppress(AtosError, OSError, ValueError):
            if (known := recall(root / name)) is not None:
                await unlock(known)
        await _remove(root / name)
        removed.append(name)
    return removed


async def _remove(folder: Path) -> None:
    await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
