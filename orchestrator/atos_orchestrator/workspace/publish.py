"""Publishes the goal's commits in the person's repository, beside whatever they do there.

The goal's own line (`GOAL_BRANCH`) is moved by ATOS only; tasks build on it. To publish is to bring what is
missing of it onto the branch in the repository as that stands now:

    it has nothing of its own      the branch moves forward
    the person committed there     the missing commits are put on top of theirs, one by one, by three-way merges
    they contradict each other,    everything goes to a side branch, and the next call tries again
    or the files can't follow

A commit is known by its trailer, not by its id, so what was rebased, amended or merged by hand is not put there
twice. Nothing is recorded: each call looks at both sides, so a kill at any moment is made good by the next one.
Branches move by compare-and-set, forward only, and one call at a time works for a goal (`turns`).
"""

from __future__ import annotations

import shlex

from atos_orchestrator.workspace.checkout import Checkout
from atos_orchestrator.workspace.merging import merged_tree
from atos_orchestrator.workspace.objects import give_objects
from atos_orchestrator.workspace.publication import (
    COMMIT_FORMAT,
    Publication,
    Standing,
    commits_of,
    effects,
    kept,
    merge_command,
    missing,
    side_branches,
)
from atos_orchestrator.workspace.repository import GOAL_BRANCH, OWNER, Repository
from atos_orchestrator.workspace.turns import turn
from atos_protocol.errors import BusyError, NoSpaceError, WorkspaceError
from atos_protocol.shortage import FULL, SCARCE

RACES = 5
"""How often to look again when the branch moved meanwhile."""
UNDER_WAY = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}


async def publish(repository: Repository) -> Publication:
    """Bring the goal's commits to its branch in the repository, or keep them where nothing is in the way.

    Raises:
        AtosError: with `retry`: another git is at work there, git can't be started, the disk is full.
    """
    async with turn(repository):
        return await _publication(repository)


async def _publication(repository: Repository) -> Publication:
    head = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
    if not is_standing(repository):
        return _gone(repository, head)
    try:
        found = await _published(repository, head)
    except WorkspaceError as error:
        if not is_standing(repository):
            return _gone(repository, head)
        return Publication(head, "", error.message, error.next_step or _retry(repository))
    except OSError as error:
        if not is_standing(repository):
            return _gone(repository, head)
        if error.errno in FULL:
            message = f"the disk of {repository.path} is full"
            raise NoSpaceError(message, next_step="Make room there.") from error
        if error.errno in SCARCE:
            raise  # waited out, as everything that passes
        return Publication(head, "", f"{repository.path}: {error}", _retry(repository))
    repository.unpublished.unlink(missing_ok=True)
    return found


def is_standing(repository: Repository) -> bool:
    """Tell whether the goal's repository is where it was, and is still the same.

    Raises:
        OSError: the machine is too short of something to tell.
    """
    try:
        if repository.own:
            return (repository.path / ".git" / OWNER).read_text() == repository.goal
        return (repository.path / ".git").exists() and repository.objects.is_dir()
    except OSError as error:
        if error.errno in SCARCE:
            raise
        return False


def _retry(repository: Repository) -> str:
    return f"atos-client retry {repository.goal}"


def _gone(repository: Repository, head: str) -> Publication:
    there = repository.path.exists()
    what = "is no longer the repository of this goal" if there else "was moved or deleted"
    message = f"{repository.path} {what}; what ATOS made is kept in {repository.trees}"
    if repository.own and not there:
        return Publication(head, "", message, _retry(repository))
    source, place = str(repository.trees / "git"), str(repository.path)
    clone = shlex.join(["git", "clone", "--no-local", "-b", "goal", source, place])
    first = "Put it back" if repository.own else f"Put it back, or take what there is: {clone}"
    return Publication(head, "", message, f"{first}; then: {_retry(repository)}")


async def _published(repository: Repository, head: str) -> Publication:
    for _ in range(RACES):
        seen = await _look(repository)
        if (found := await _tried(repository, head, seen)) is not None:
            return found
    message = f"branch {repository.branch} of {repository.path} moved {RACES} times meanwhile"
    raise BusyError(message, next_step="Nothing: ATOS tries again.")


async def _tried(repository: Repository, head: str, seen: Standing) -> Publication | None:
    """Publish onto the branch as it was seen; None where it has moved since."""
    onto, paths = await _brought_together(repository, head, seen.tip)
    if paths:
        both = ", ".join(paths[:5])
        reason = (
            f"commits on {repository.branch} and what ATOS made contradict each other in {both}"
        )
        return await _keep(repository, head, seen, reason)
    if onto != seen.tip:
        if reason := _in_the_way(repository, seen):
            return await _keep(repository, head, seen, reason)
        await give_objects(repository, onto, (seen.tip, repository.base))
        if said := await _files_follow(repository, seen, onto):
            reason = f"changes that are not committed are in the way: {said[-300:]}"
            return await _keep(repository, head, seen, reason, unsaved=True)
        if not await _moved(repository, seen.tip, onto):
            return None
    await _drop_side(repository, onto)
    elsewhere = repository.own and not seen.here
    return Publication(onto, repository.branch, elsewhere=elsewhere)


async def _files_follow(repository: Repository, seen: Standing, onto: str) -> str:
    """Bring the files up to date where the branch is checked out; return why that is not possible."""
    if not seen.here:
        return ""
    return await Checkout(repository, seen.index).follow(seen.tip, onto)


async def _moved(repository: Repository, tip: str, onto: str) -> bool:
    """Move the goal's branch, unless somebody else did."""
    branch = f"refs/heads/{repository.branch}"
    code, _, said = await repository.theirs.ask("update-ref", branch, onto, tip)
    if code != 0 and (await _look(repository)).tip == tip:
        message = f"branch {repository.branch} of {repository.path} can't be moved: {said.strip()}"
        raise WorkspaceError(message)
    return code == 0


def _in_the_way(repository: Repository, seen: Standing) -> str:
    if seen.under_way and (seen.here or seen.under_way == "rebase"):
        return f"a {seen.under_way} is under way in {repository.path}"
    if seen.checked_out and not seen.here:
        return f"branch {repository.branch} is checked out in {seen.checked_out}"
    return ""


async def _look(repository: Repository) -> Standing:
    theirs, branch = repository.theirs, f"refs/heads/{repository.branch}"
    what = "--format=%(objectname)%09%(HEAD)%09%(worktreepath)"
    listed = await theirs.run("for-each-ref", what, branch)
    tip, star, folder = listed.split("\t", 2) if listed else ("", "", "")
    here = star == "*" or (not tip and await theirs.value("symbolic-ref", "-q", "HEAD") == branch)
    asked = [part for name in ("index", *UNDER_WAY) for part in ("--git-path", name)]
    index, *paths = (await theirs.run("rev-parse", *asked)).splitlines()
    going = zip(paths, UNDER_WAY.values(), strict=True)
    under_way = [what for path, what in going if (repository.path / path).exists()]
    place = str(repository.path) if here else folder
    return Standing(tip, place, here, under_way[0] if under_way else "", repository.path / index)


async def _brought_together(
    repository: Repository, head: str, tip: str
) -> tuple[str, tuple[str, ...]]:
    """Return a commit that follows `tip` and has all that ATOS made, or the paths that contradict."""
    if not tip or await _is_ancestor(repository, tip, head):
        return head, ()
    git = repository.git
    span = (f"^{repository.base}",) if repository.base else ()
    there = effects(await git.run("log", "--format=%B", tip, *span), repository.goal)
    log = await git.run("log", "--reverse", "--topo-order", COMMIT_FORMAT, head, f"^{tip}", *span)
    onto = tip
    for commit, message in missing(commits_of(log), there, repository.goal):
        parent = await git.value("rev-parse", "--verify", "--quiet", f"{commit}^")
        before = parent or await git.run("hash-object", "-t", "tree", "--stdin")
        tree, paths = await merged_tree(repository, before, onto, commit)
        if paths:
            return "", paths
        if tree != await git.run("rev-parse", f"{onto}^{{tree}}"):
            onto = await git.run("commit-tree", tree, "-p", onto, stdin=message)
    return onto, ()


async def _is_ancestor(repository: Repository, old: str, new: str) -> bool:
    code, _, _ = await repository.git.ask("merge-base", "--is-ancestor", old, new)
    return code == 0


async def _keep(
    repository: Repository, head: str, seen: Standing, reason: str, *, unsaved: bool = False
) -> Publication:
    """Put everything on a side branch."""
    for side in side_branches(repository.branch, repository.slug, own=repository.own):
        listed = await _side(repository, side)
        if listed is None:
            continue
        await give_objects(repository, head, (listed, seen.tip, repository.base))
        code, _, _ = await repository.theirs.ask("update-ref", f"refs/heads/{side}", head, listed)
        if code == 0:
            break
    else:
        message = f"no side branch can be made in {repository.path}, and {reason}"
        raise WorkspaceError(message)
    place, branch = str(repository.path), repository.branch
    command = merge_command(place, branch, side, seen, unsaved=unsaved)
    first = f"Finish the {seen.under_way}, then: " if seen.under_way else ""
    step = f"{first}{command} && {_retry(repository)}"
    return kept(head, side, reason, step)


async def _side(repository: Repository, side: str) -> str | None:
    """Return the commit of a side branch (empty: there is none); None where it is not ATOS's to move."""
    what = "--format=%(objectname) %(worktreepath)"
    listed = await repository.theirs.run("for-each-ref", what, f"refs/heads/{side}")
    tip, _, checked_out = listed.partition(" ")
    if not tip:
        return ""
    ours = await _is_of_goal(repository, tip) and not checked_out
    return tip if ours and await _is_ancestor(repository, tip, GOAL_BRANCH) else None


async def _is_of_goal(repository: Repository, tip: str) -> bool:
    span = (f"^{repository.base}",) if repository.base else ()
    log = await repository.git.run("log", "--format=%B", tip, *span)
    return bool(effects(log, repository.goal))


async def find_side(repository: Repository) -> str:
    """Return the commit of the side branch on which the goal's work was kept; empty where there is none."""
    found = ""
    for side in side_branches(repository.branch, repository.slug, own=repository.own):
        branch = f"refs/heads/{side}"
        tip = await repository.theirs.value("rev-parse", "--verify", "--quiet", branch)
        if not tip:
            return found
        found = tip if await _is_of_goal(repository, tip) else found
    return found


async def _drop_side(repository: Repository, onto: str) -> None:
    """Remove the side branch, once all that it has is on the goal's branch."""
    for side in side_branches(repository.branch, repository.slug, own=repository.own):
        tip = await _side(repository, side)
        if tip == "":
            return
        if tip is not None and await _is_ancestor(repository, tip, onto):
            await repository.theirs.ask("update-ref", "-d", f"refs/heads/{side}", tip)
