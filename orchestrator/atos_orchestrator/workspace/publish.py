"""Publishes the goal's commits in the person's repository.

The goal's branch there moves forward, never back, and only if its commits are the goal's. In a repository
that ATOS created the checked-out files follow. Those are written one by one, so a marker exists while it
happens: if the next call finds it, a kill interrupted the last one, and all tracked files are rewritten.
"""

from __future__ import annotations

from dataclasses import replace

from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository
from atos_protocol.errors import ConflictError


async def publish(repository: Repository) -> None:
    """Bring the person's branch, and a created repository's files, up to the goal's branch.

    Raises:
        ConflictError: somebody else moved the branch, or changed a file that the goal changes too.
    """
    git, theirs = repository.git, repository.theirs
    head = await git.run("rev-parse", "--verify", GOAL_BRANCH)
    branch = f"refs/heads/{repository.branch}"
    now = await theirs.value("rev-parse", "--verify", "--quiet", branch)
    if now and now != head:
        code, _, _ = await git.ask("merge-base", "--is-ancestor", now, head)
        if code != 0:
            message = f"branch {repository.branch} of {repository.path} has commits that ATOS did not make"
            step = "Rename that branch, and start the goal again."
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
    index = repository.path / ".git" / "index"
    if broken:
        # A killed git leaves its lock; nobody else writes to this repository.
        index.with_name("index.lock").unlink(missing_ok=True)
    marker.touch()
    # With ATOS's own git directory, so that no filter of that repository applies here either.
    here = replace(repository.git, where=repository.path)
    files = here.having(GIT_WORK_TREE=repository.path, GIT_INDEX_FILE=index)
    rewrite = broken or not now
    how = ["--reset", "-u", head] if rewrite else ["-m", "-u", now, head]
    code, _, said = await files.ask("read-tree", *how)
    marker.unlink()
    if code != 0:
        message = f"the files of {repository.path} could not be brought up to date: {said.strip()}"
        step = "Move your own changes there away, or commit them on another branch."
        raise ConflictError(message, next_step=step)
