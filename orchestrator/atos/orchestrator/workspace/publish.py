"""Shows the goal's line of commits in the person's repository.

Everywhere: the goal's branch there moves forward, never back, and only if it stands on our line. In
an own repository the checked-out files follow. That last part writes files one by one, so a marker says
that it is under way: found at the start of the next call, it means that a kill fell into it, and the
tracked files are written anew.
"""

from __future__ import annotations

from pathlib import Path

from atos.orchestrator.workspace.repository import GOAL_BRANCH, Repository
from atos.scheduler.errors import ConflictError


async def publish(repository: Repository) -> None:
    """Bring the person's branch, and an own repository's files, up to the goal's line.

    Raises:
        ConflictError: somebody else moved the branch, or changed a file that the goal changes too.
    """
    theirs = repository.theirs
    head = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
    branch = f"refs/heads/{repository.branch}"
    now = await theirs.value("rev-parse", "--verify", "--quiet", branch)
    if now and now != head:
        code, _, _ = await theirs.ask("merge-base", "--is-ancestor", now, head)
        if code != 0:
            message = (
                f"branch {repository.branch} of {repository.path} has commits of somebody else"
            )
            step = "Rename that branch; the goal's commits are still to be had by starting it anew."
            raise ConflictError(message, next_step=step)
    if repository.own:
        await _check_out(repository, now, head)
    if now != head:
        await theirs.run("update-ref", branch, head, now)


async def _check_out(repository: Repository, now: str, head: str) -> None:
    marker = repository.trees / "checking-out"
    broken = marker.exists()
    if now == head and not broken:
        return
    theirs = repository.theirs
    if broken:
        _unlock(repository.path)
    marker.touch()
    fresh = broken or not now
    how = ["--reset", "-u", head] if fresh else ["-m", "-u", now, head]
    code, _, said = await theirs.ask("read-tree", *how)
    if code != 0:
        marker.unlink()
        message = f"the files of {repository.path} could not be brought up to date: {said.strip()}"
        step = "Move your own changes there away, or commit them on another branch."
        raise ConflictError(message, next_step=step)
    marker.unlink()


def _unlock(path: Path) -> None:
    """Remove the index lock of a git that was killed; the repository is ours alone."""
    (path / ".git" / "index.lock").unlink(missing_ok=True)
