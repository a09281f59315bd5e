"""Commits, made from git objects without a working tree.

A commit is: read a tree into a temporary index, change entries, write the tree, write the commit, move
the branch *if it has not moved meanwhile*. Only the last step is visible, and it is atomic, so a kill at
any moment leaves at worst unreferenced objects. Each commit carries a trailer `Atos-Effect: <key>`; the
key is looked up first, so committing again does nothing.

A task's commit is integrated path by path: where the goal's branch still has what the task started from,
it gets what the task made; where it has something else, that is a conflict. Plan repair ensures that two
tasks that run at the same time never write one file, and nobody but ATOS moves the goal's branch: what a person
commits meets it in `publish`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import anyio

from atos_orchestrator.workspace.git import Git
from atos_orchestrator.workspace.publication import TRAILER
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository
from atos_orchestrator.workspace.turns import turn
from atos_protocol.errors import ConflictError, WorkspaceError
from atos_protocol.printable import printable

RACES = 5
"""How often to try again when the branch moved meanwhile."""


def task_branch(task_id: str) -> str:
    """Return the full name of a task's branch."""
    return f"refs/heads/task/{task_id}"


async def find_effect(repository: Repository, branch: str, key: str) -> str:
    """Return the commit that carries `key` on a branch, or an empty text."""
    span = f"{repository.base}..{branch}" if repository.base else branch
    pattern = f"^{TRAILER}: {_literal(key)}$"
    return await repository.git.value("log", "-1", "--format=%H", f"--grep={pattern}", span)


def _literal(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_:" else f"[{c}]" for c in key)


async def commit_task(
    repository: Repository, task_id: str, *, files: Sequence[str], message: str, key: str
) -> str:
    """Commit a task's files from its worktree to its branch, once per `key`.

    Raises:
        WorkspaceError: a file is missing, or is outside the worktree.
    """
    branch, worktree = task_branch(task_id), repository.trees / task_id
    if done := await find_effect(repository, branch, key):
        return done
    for file in files:
        _inside(worktree, file)
    git = repository.git
    parent = await _start_of(repository, task_id)
    with _index(repository) as path:
        at = replace(git, where=worktree)
        index = at.having(GIT_INDEX_FILE=path, GIT_WORK_TREE=worktree)
        await index.run("read-tree", parent)
        if files:
            await index.run("add", "--force", "--", *files)
        tree = await index.run("write-tree")
    commit = await _commit(git, tree, parent, message, key)
    await git.run("update-ref", branch, commit, parent)
    return commit


async def _start_of(repository: Repository, task_id: str) -> str:
    """Return the tip of a task's branch; a branch that was removed is made again where its worktree began."""
    branch = task_branch(task_id)
    if tip := await repository.git.value("rev-parse", "--verify", "--quiet", branch):
        return tip
    began = await anyio.Path(repository.trees / f"{task_id}.ready").read_text()
    await repository.git.run("update-ref", branch, began, "")
    return began


async def integrate(repository: Repository, task_id: str, *, key: str) -> str:
    """Put a task's commit on the goal's branch, once; return its commit there. `publish` comes after it.

    Raises:
        ConflictError: another task changed one of the same files.
        WorkspaceError: there is no such commit.
    """
    git = repository.git
    source = await find_effect(repository, task_branch(task_id), key)
    if not source:
        message = f"task {task_id} has no commit with the effect {key}"
        raise WorkspaceError(message)
    message = await git.run("show", "-s", "--format=%B", source)
    async with turn(repository):
        return await _integrated(repository, task_id, source, message, key)


async def _integrated(
    repository: Repository, task_id: str, source: str, message: str, key: str
) -> str:
    git = repository.git
    repository.unpublished.touch()
    for _ in range(RACES):
        if done := await find_effect(repository, GOAL_BRANCH, key):
            break
        head = await git.run("rev-parse", "--verify", GOAL_BRANCH)
        tree = await _merged(repository, task_id, source, head)
        commit = await git.run("commit-tree", tree, "-p", head, stdin=message)
        code, _, _ = await git.ask("update-ref", GOAL_BRANCH, commit, head)
        if code == 0:
            done = commit
            break
    else:
        message = f"the goal's branch moved {RACES} times while {task_id} was integrated"
        raise ConflictError(message, next_step="Integrate the tasks of a goal one after another.")
    return done


async def commit_files(
    repository: Repository, files: Mapping[str, str], message: str, *, key: str
) -> str:
    """Commit whole texts to the goal's branch, once per `key`. `publish` comes after it."""
    git = repository.git
    async with turn(repository):
        repository.unpublished.touch()
        head = await git.value("rev-parse", "--verify", "--quiet", GOAL_BRANCH)
        done = await find_effect(repository, GOAL_BRANCH, key) if head else ""
        if not done:
            tree = await tree_with(repository, head, files)
            done = await _commit(git, tree, head, message, key)
            await git.run("update-ref", GOAL_BRANCH, done, head)
        return done


async def tree_with(repository: Repository, head: str, files: Mapping[str, str]) -> str:
    """Return the tree of a commit (empty: of none) with these texts in it."""
    git = repository.git
    with _index(repository) as path:
        index = git.having(GIT_INDEX_FILE=path)
        await index.run("read-tree", head or "--empty")
        for name, text in files.items():
            blob = await git.run("hash-object", "-w", "--stdin", stdin=text)
            await index.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        return await index.run("write-tree")


async def _commit(git: Git, tree: str, parent: str, message: str, key: str) -> str:
    # A title comes from a model: it can't pass for a trailer.
    told = printable(message.strip(), keep="\n").replace(TRAILER, TRAILER.lower())
    text = f"{told}\n\n{TRAILER}: {key}\n"
    return await git.run("commit-tree", tree, *(("-p", parent) if parent else ()), stdin=text)


async def _merged(repository: Repository, task_id: str, source: str, head: str) -> str:
    """Return the tree of `head` with the changes of the commit `source`."""
    git = repository.git
    raw = await git.run("diff-tree", "-r", "-z", "--no-renames", "--raw", f"{source}^", source)
    parts = raw.split("\0")
    lines: list[str] = []
    for meta, path in zip(parts[0::2], parts[1::2], strict=False):
        _, new_mode, old, new, _ = meta.removeprefix(":").split(" ")
        there = await git.run("ls-tree", "-z", head, "--", path)
        standing = there.partition("\t")[0].split(" ")[-1] or "0" * len(old)
        if standing not in {old, new}:
            message = f"task {task_id} and another task both changed {path}"
            step = "Make one of the two tasks depend on the other."
            raise ConflictError(message, next_step=step)
        mode = "0" if new_mode == "000000" else new_mode
        lines.append(f"{mode} {new}\t{path}\0" if standing != new else "")
    with _index(repository) as index_file:
        index = git.having(GIT_INDEX_FILE=index_file)
        await index.run("read-tree", head)
        await index.run("update-index", "-z", "--index-info", stdin="".join(lines))
        return await index.run("write-tree")


def _inside(worktree: Path, file: str) -> None:
    parts = PurePosixPath(file).parts
    whole = worktree.joinpath(*parts)
    wild = file.startswith("/") or ".." in parts or ".git" in {part.lower() for part in parts}
    if wild or not os.path.lexists(whole) or worktree.resolve() not in whole.resolve().parents:
        message = f"{file} is not a file in the worktree {worktree}"
        raise WorkspaceError(message)


@contextmanager
def _index(repository: Repository) -> Generator[Path]:
    """A temporary index file."""
    with tempfile.TemporaryDirectory(prefix="index-", dir=repository.trees) as folder:
        yield Path(folder) / "index"
