"""Opens a goal's repository: checks the place, decides, writes the decision down, then makes it.

Every step may be repeated after a crash. Nothing is created before the place has been checked.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import anyio

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.workspace.commits import commit_files
from atos_orchestrator.workspace.git import Git
from atos_orchestrator.workspace.objects import keep_objects
from atos_orchestrator.workspace.publish import find_side, is_standing, publish
from atos_orchestrator.workspace.repository import (
    DECISION,
    GOAL_BRANCH,
    OWNER,
    Repository,
    scaffold_key,
)
from atos_orchestrator.workspace.scaffold import import_aid, scaffold
from atos_protocol.errors import WorkspaceError


def trees_of(home: Path, goal: str) -> Path:
    """Return ATOS's private folder for a goal."""
    return home / "worktrees" / goal


async def open_repository(
    into: Path | None,
    slug: str,
    *,
    goal: str,
    text: str,
    home: Path,
    workspaces: Path,
    started_at: float,
) -> Repository:
    """Make or find the repository that a goal works in; opening again returns the same.

    Args:
        into: a new, empty or existing git folder; None picks a free name below `workspaces`.
        slug: the goal's short name.
        goal: the goal's id.
        text: what the person asked for; it goes into the README of a new repository.
        home: `settings.home`; worktrees lie below it.
        workspaces: where repositories go by default.
        started_at: epoch seconds that every commit of the goal carries.

    Raises:
        WorkspaceError: the place can't be written, or is a non-empty folder without a repository.
    """
    trees = trees_of(home, goal)
    repository = recall(trees)
    if repository is None:
        place = (into or workspaces).absolute()
        theirs = check_place(into or _default_place(place, goal)) and into is not None
        draft = Repository(goal, place, "main", True, trees, place, "", started_at, slug)
        if theirs:
            repository = await _decide_branch(replace(draft, own=False))
        else:
            repository = _decide_folder(draft, () if into is None else (place,))
    return await _make(repository, text)


async def reopen_repository(repository: Repository, text: str) -> Repository:
    """Open the repository of a goal that had ended, as it stands now; opening again changes nothing.

    What a person has committed on the goal's branch meanwhile is built upon. A folder that was deleted is made
    again from ATOS's own git directory, where that was kept.

    Raises:
        WorkspaceError: it is no longer there, and can't be made again.
    """
    known = await _goal_line(repository)
    if not is_standing(repository):
        _check_gap(repository, known)
    _decide(repository)
    await _init_private(repository)
    if not known:
        branch = f"refs/heads/{repository.branch}"
        tip = await repository.theirs.value("rev-parse", "--verify", "--quiet", branch)
        if head := await find_side(repository) or tip:
            await repository.git.run("update-ref", GOAL_BRANCH, head, "")
    await _make(repository, text)
    line = await repository.git.run("rev-parse", "--verify", GOAL_BRANCH)
    published = await publish(repository)
    if not published.trouble:
        await keep_objects(repository, published.commit, repository.base)
        # Has it moved meanwhile, it stays: the next call of `publish` brings both together.
        await repository.git.ask("update-ref", GOAL_BRANCH, published.commit, line)
    return repository


async def _goal_line(repository: Repository) -> str:
    """Return the goal's commit in ATOS's own git directory; an empty text where that was removed."""
    if not (repository.trees / "git" / "ready").exists():
        return ""
    return await repository.git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH)


def _check_gap(repository: Repository, known: str) -> None:
    """Check that a repository that is gone can be made again in its place."""
    place = repository.path
    retry = f"atos-client retry {repository.goal}"
    if not repository.own or not known:
        message = f"the repository {place} is no longer there"
        lost = "" if known else " If you have no copy of it, start the goal again."
        raise WorkspaceError(message, next_step=f"Put it back, then: {retry}.{lost}")
    if os.path.lexists(place / ".git") or (os.path.lexists(place) and not place.is_dir()):
        message = (
            f"{place} is not the repository that ATOS made; its work is kept in {repository.trees}"
        )
        raise WorkspaceError(message, next_step=f"Move {place} away, then: {retry}")


def recall(trees: Path) -> Repository | None:
    """Return what was decided, unless another goal took the place before it was claimed."""
    try:
        known = decode(Repository, json.loads((trees / DECISION).read_text()))
    except FileNotFoundError:
        return None
    owner = known.path / ".git" / OWNER
    taken = known.own and owner.exists() and owner.read_text() != known.goal
    return None if taken else known


def _decide(repository: Repository) -> Repository:
    """Write the decision down, atomically."""
    repository.trees.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_at_once(repository.trees / DECISION, json.dumps(encode(repository)))
    return repository


def _write_at_once(file: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whatever is killed or full."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


def check_place(place: Path) -> bool:
    """Check that a repository can be made or found at `place`, and make nothing.

    Returns:
        Whether a git repository is there already.

    Raises:
        WorkspaceError: it can't be written, or is a non-empty folder without a git
            repository.
    """
    if not place.is_absolute():
        message = f"{place} is not an absolute path"
        raise WorkspaceError(message, next_step="Name the folder from the root.")
    if os.path.realpath(place) != str(place):  # links were resolved when the goal was accepted
        message = f"a link on the way to {place} leads to {os.path.realpath(place)}"
        raise WorkspaceError(message, next_step="Remove the link, or name where it leads.")
    standing = place
    while not os.path.lexists(standing):
        standing = standing.parent
    if not standing.is_dir():
        message = f"{standing} is not a folder, so {place} can't hold a repository"
        raise WorkspaceError(message, next_step="Name another folder.")
    if not os.access(standing, os.W_OK | os.X_OK):
        message = f"{place} can't be written: no permission in {standing}"
        raise WorkspaceError(message, next_step="Make it writable, or name another folder.")
    return standing == place and any(place.iterdir()) and _is_repository(place)


def _default_place(workspaces: Path, goal: str) -> Path:
    """Return a free place below the workspaces folder, which the user may have set to a link."""
    return Path(os.path.realpath(workspaces)) / goal


def _is_repository(place: Path) -> bool:
    if not os.path.lexists(place / ".git"):
        message = f"{place} is not empty and not a git repository"
        step = "Name a new or empty folder, or run `git init` there and commit what it holds."
        raise WorkspaceError(message, next_step=step)
    return True


def _names(slug: str) -> Iterator[str]:
    yield slug
    for number in count(2):
        yield f"{slug}-{number}"


def _decide_folder(draft: Repository, fixed: Collection[Path]) -> Repository:
    """Choose the folder of an own repository and claim it by making it."""
    draft.path.mkdir(parents=True, exist_ok=True)
    choices = fixed or (draft.path / name for name in _names(draft.slug))
    for path in choices:
        if not fixed and os.path.lexists(path):
            continue
        chosen = _decide(replace(draft, path=path, objects=path / ".git" / "objects"))
        try:
            path.mkdir(exist_ok=bool(fixed))
        except FileExistsError:
            continue
        return chosen
    raise AssertionError(draft)


async def _decide_branch(draft: Repository) -> Repository:
    """Choose a free branch in a person's repository."""
    git = Git(draft.path)
    output = await git.run("rev-parse", "--show-toplevel", "--git-path", "objects")
    top, objects = output.splitlines()
    if not _same(top, draft.path):
        message = f"{draft.path} is inside the repository {top}"
        raise WorkspaceError(message, next_step=f"Name {top} itself, or a folder outside of it.")
    base = await git.value("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    for name in _names(f"atos/{draft.slug}"):
        if not await git.value("rev-parse", "--verify", "--quiet", f"refs/heads/{name}"):
            place = (draft.path / objects).resolve()
            return _decide(replace(draft, branch=name, objects=place, base=base))
    raise AssertionError(draft)


def _same(top: str, path: Path) -> bool:
    return Path(top).resolve() == path.resolve()


async def _make(repository: Repository, text: str) -> Repository:
    """Make what the decision calls for; what is there already stays."""
    if repository.own and not (repository.path / ".git" / OWNER).exists():
        await _init(repository.path)
        _write_at_once(repository.path / ".git" / OWNER, repository.goal)
    await _init_private(repository)
    git = repository.git
    if not await git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH):
        if repository.base:
            await git.run("update-ref", GOAL_BRANCH, repository.base, "")
        files = await _first_files(repository, text)
        if files:
            key = scaffold_key(repository)
            await commit_files(repository, files, "Set up the repository", key=key)
    await publish(repository)
    return repository


async def _init(path: Path, *options: str) -> None:
    await anyio.Path(path).mkdir(parents=True, exist_ok=True)
    command = ["init", "-q", "--template=", "--initial-branch=main", *options]
    await Git(path).run(*command)


async def _init_private(repository: Repository) -> None:
    """Make ATOS's own git directory, which shares the repository's objects only."""
    private = repository.trees / "git"
    if (private / "ready").exists():
        return
    shutil.rmtree(private, ignore_errors=True)
    kind = await repository.theirs.value("rev-parse", "--show-object-format")
    await _init(private, "--bare", f"--object-format={kind or 'sha1'}")
    (private / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (private / "objects" / "info" / "alternates").write_text(f"{repository.objects}\n")
    (private / "info").mkdir(exist_ok=True)
    (private / "info" / "exclude").write_text("__pycache__/\n.atos/\n")
    await _keep_base(repository)
    (private / "ready").touch()


async def _keep_base(repository: Repository) -> None:
    """Copy the files that the goal starts from, so that its work outlives a repository that is deleted.

    History is not copied: the first commit counts as one without parents. A copy takes less than the worktree of
    one task.
    """
    private, base = repository.trees / "git", repository.base
    if not base:
        return
    theirs = repository.objects.parent / "shallow"
    known = theirs.read_text() if theirs.exists() else ""
    (private / "shallow").write_text(f"{known}{base}\n")
    await keep_objects(repository, base)


async def _first_files(repository: Repository, text: str) -> dict[str, str]:
    if not repository.base:
        return scaffold(repository.slug, text)
    names = await repository.git.run("ls-tree", "--name-only", "-z", repository.base)
    return import_aid(names.split("\0"))
