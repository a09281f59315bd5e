"""Programs of which none was accepted: they stand on branches of their own, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from atos_orchestrator.workspace.commits import tree_with
from atos_orchestrator.workspace.git import MAIL
from atos_orchestrator.workspace.objects import give_objects
from atos_orchestrator.workspace.publish import is_standing
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository

CANDIDATE = "Candidate"
"""First word of the commit of a candidate that was not accepted."""


def _candidate_prefix(repository: Repository, task_id: str) -> str:
    return f"refs/heads/{repository.branch}-{task_id}-candidate-"


async def keep_candidates(
    repository: Repository, task_id: str, kept: Sequence[Mapping[str, str]]
) -> list[str]:
    """Put programs of which none was accepted on branches of their own; return the branches' names.

    They stand on the goal's branch as it is, so that a person can compare, run and merge them. A second call
    moves them. One that a person has committed on, or has checked out, is theirs from then on.
    """
    git, found = repository.git, list[str]()
    if not is_standing(repository):
        return []
    await drop_candidates(repository, task_id)
    taken = set(await _candidates(repository, task_id))
    head = await git.run("rev-parse", "--verify", GOAL_BRANCH)
    names = (f"{_candidate_prefix(repository, task_id)}{number}" for number in count(1))
    free = (name for name in names if name not in taken)
    for number, (files, branch) in enumerate(zip(kept, free, strict=False), start=1):
        tree = await tree_with(repository, head, files)
        message = f"{CANDIDATE} {number} of {task_id}, which was not accepted\n"
        commit = await git.run("commit-tree", tree, "-p", head, stdin=message)
        await give_objects(repository, commit, (repository.base,))
        await repository.theirs.run("update-ref", branch, commit, "")
        found.append(branch.removeprefix("refs/heads/"))
    return found


async def drop_candidates(repository: Repository, task_id: str) -> None:
    """Remove the branches that `keep_candidates` made for a task and that are still as it made them."""
    if not is_standing(repository):
        return
    for branch, (commit, mail, subject, checked_out) in (
        await _candidates(repository, task_id)
    ).items():
        ours = mail == f"<{MAIL}>" and subject.startswith(CANDIDATE)
        if ours and not checked_out:
            await repository.theirs.ask("update-ref", "-d", branch, commit)


async def _candidates(repository: Repository, task_id: str) -> dict[str, tuple[str, ...]]:
    """Return branch -> commit, committer, subject, and the folder in which it is checked out."""
    what = "%(refname)%09%(objectname)%09%(committeremail)%09%(subject)%09%(worktreepath)"
    prefix = _candidate_prefix(repository, task_id)
    listed = await repository.theirs.run("for-each-ref", f"--format={what}", f"{prefix}*")
    rows = [line.split("\t") for line in listed.splitlines()]
    return {
        branch: (commit, mail, subject, folder) for branch, commit, mail, subject, folder in rows
    }
