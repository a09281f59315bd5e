"""Closes a goal's repository: removes what only the work needed, and keeps what is nowhere else.

A goal closes its own: where everything is published the private folder goes; where something could not be, the folder
is reduced to the goal's branch, for a later run. What a cancelled goal or a killed worker left is found by `sweep`, which
first brings to its end what was being published. Sweeps may run side by side: what another one removed is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path

import anyio

from atos_orchestrator.workspace.checkout import unlock
from atos_orchestrator.workspace.commits import task_branch
from atos_orchestrator.workspace.opening import recall
from atos_orchestrator.workspace.publication import COMMIT_FORMAT, commits_of, effects
from atos_orchestrator.workspace.publish import publish
from atos_orchestrator.workspace.repository import (
    DECISION,
    GOAL_BRANCH,
    UNPUBLISHED,
    WRITING,
    Repository,
    scaffold_key,
)
from atos_orchestrator.workspace.worktrees import remove_folder
from atos_protocol.errors import AtosError, WorkspaceError

STAYING = frozenset({"git", DECISION, UNPUBLISHED, WRITING})
"""What is left of the private folder of a goal whose work could not be published."""

log = logging.getLogger(__name__)


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
    await remove_folder(repository.trees)


async def _reduce(repository: Repository) -> None:
    """Leave nothing of the private folder but the goal's branch, and what is needed to open it again."""
    for place in [each for each in repository.trees.iterdir() if each.name not in STAYING]:
        if place.is_dir():
            await remove_folder(place)
        else:
            place.unlink(missing_ok=True)
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
    """Close the repositories of all goals but the unfinished ones; return the goals whose private folders are gone.

    Only what was cancelled or killed is found here: every other goal closes its own. One that holds what could not
    be published stays as it is. Goals begin and go on meanwhile, so it is asked which are unfinished after the
    folders were listed, and for each of them.
    """
    root, removed = home / "worktrees", list[str]()
    for name in sorted(folder.name for folder in root.iterdir()) if root.is_dir() else ():
        if name in await unfinished() or _is_reduced(root / name):
            continue
        await _close_abandoned(root / name)
        if not (root / name).exists():
            removed.append(name)
    return removed


def _is_reduced(trees: Path) -> bool:
    left = set[str]()
    with suppress(OSError):  # another sweep may have removed it
        left = {each.name for each in trees.iterdir()}
    return UNPUBLISHED in left and left <= STAYING


async def _close_abandoned(trees: Path) -> None:
    """Close the repository of a goal whose last step was cut off.

    It may have been cut off while it published: a file in the person's repository is half written then, so what it
    had begun is brought to its end. Where that fails, the next call tries again.
    """
    known = None
    with suppress(OSError, ValueError):
        known = recall(trees)
    if known is None:
        if not (trees / UNPUBLISHED).exists():
            await remove_folder(trees)
        return
    with suppress(AtosError):
        await unlock(known)
    try:
        if known.unpublished.exists():
            await _publish_rest(known)
        await close_repository(known)
    except (AtosError, OSError) as error:
        if await anyio.Path(trees).exists():
            log.warning("%s can't be closed now: %s", trees, error)


async def _publish_rest(repository: Repository) -> None:
    if await repository.git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH):
        await publish(repository)
    else:  # cut off before the first commit
        repository.unpublished.unlink(missing_ok=True)
