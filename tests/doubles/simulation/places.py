"""The repositories of the simulated machine: the goal's own line of commits, and the branch that a person sees.

Which commits are missing there, and what is said of what can't be published, is decided by the real
`workspace.publication`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from atos_orchestrator.workspace.publication import (
    TRAILER,
    Publication,
    effects,
    kept,
    missing,
)
from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import WorkspaceError
from doubles.simulation.machine import Machine, machine

Commits = list[tuple[str, str]]
"""Commit and message, the first one first."""


@dataclass
class Place:
    """The repository of one goal."""

    repository: Repository
    line: Commits = field(default_factory=Commits)
    """The goal's own, which only ATOS moves."""
    main: Commits = field(default_factory=Commits)
    """What a person sees and commits to."""
    side: Commits = field(default_factory=Commits)
    contradicted: bool = False
    """Whether a person's commit can't be brought together with the goal's."""
    branches: dict[str, Commits] = field(default_factory=dict[str, Commits])
    began_with: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Task -> effects that its worktree has."""
    opened: list[tuple[str, frozenset[str]]] = field(
        default_factory=list[tuple[str, frozenset[str]]]
    )
    """The same of all worktrees that there have been."""

    def effects(self, commits: Commits) -> list[str]:
        """Return the keys of the goal's effects in some commits, in their order."""
        goal = self.repository.goal
        return [key for _, message in commits for key in sorted(effects(message, goal))]


class Places:
    """All repositories; its methods stand in for the functions of `workspace`."""

    def __init__(self) -> None:
        self.of: dict[str, Place] = {}

    async def open_repository(
        self, into: Path | None, slug: str, *, goal: str, started_at: float, **_: Any
    ) -> Repository:
        await _git()
        if goal not in self.of:
            path, trees = Path(f"/w/{goal}"), Path(f"/h/{goal}")
            made = Repository(goal, path, "main", True, trees, path, "", started_at, slug)
            self.of[goal] = Place(made)
            _commit(self.of[goal].line, "Set up the repository", f"{goal}:scaffold")
        return self.of[goal].repository

    async def reopen_repository(self, repository: Repository, text: str) -> Repository:
        await _git()
        return self.of[repository.goal].repository

    async def open_worktree(self, repository: Repository, task_id: str) -> Path:
        await _git()
        place = self.of[repository.goal]
        if task_id not in place.began_with:
            place.began_with[task_id] = frozenset(place.effects(place.line))
            place.opened.append((task_id, place.began_with[task_id]))
        place.branches.setdefault(task_id, [])
        return repository.trees / task_id

    async def commit_task(
        self, repository: Repository, task_id: str, *, files: Sequence[str], message: str, key: str
    ) -> str:
        await _git()
        return _commit(self.of[repository.goal].branches[task_id], message, key)

    async def integrate(self, repository: Repository, task_id: str, *, key: str) -> str:
        await _git()
        place = self.of[repository.goal]
        made = [text for _, text in place.branches.get(task_id, ()) if _has(text, key)]
        if not made:
            message = f"task {task_id} has no commit with the effect {key}"
            raise WorkspaceError(message)
        return _commit(place.line, made[0].partition(f"\n\n{TRAILER}")[0], key)

    async def commit_files(
        self, repository: Repository, files: Mapping[str, str], message: str, *, key: str
    ) -> str:
        await _git()
        return _commit(self.of[repository.goal].line, message, key)

    async def publish(self, repository: Repository) -> Publication:
        await _git()
        place = self.of[repository.goal]
        there = frozenset(place.effects(place.main))
        if place.contradicted:
            place.side = list(place.line)
            return kept(place.line[-1][0], "atos/side", "they contradict each other", "git merge")
        place.main += missing(place.line, there, repository.goal)
        return Publication(place.main[-1][0], "main")

    async def find_effect(self, repository: Repository, branch: str, key: str) -> str:
        await _git()
        place = self.of[repository.goal]
        return next((commit for commit, text in place.line if _has(text, key)), "")

    async def open_result(self, repository: Repository, commit: str) -> Path:
        await _git()
        return repository.trees / "result"

    async def keep_candidates(self, *_: Any) -> list[str]:
        await _git()
        return []

    async def close_repository(self, repository: Repository) -> None:
        await _git()
        self.of[repository.goal].began_with.clear()
        self.of[repository.goal].branches.clear()

    async def drop_candidates(self, *_: Any) -> None:
        await _git()

    async def no_files(self, *_: Any) -> dict[str, str]:
        return {}

    def is_lost(self, *_: Any) -> bool:
        return False

    # A person

    def person(self, goal: str, what: str, here: Machine) -> None:
        """Do something in a repository, if it is there by now."""
        place = self.of.get(goal)
        if place is None or not place.main:
            return
        here.note(f"a person does in {goal}: {what}")
        if what == "squash":
            both = "\n".join(text for _, text in place.main[-2:])
            place.main[-2:] = [(_id(both), both)]
        else:
            place.main.append((_id(f"person {here.now}"), "My own change"))
            place.contradicted |= what == "contradict"


async def _git() -> None:
    """Pass the time of a git command, which may not be able to start."""
    here = machine()
    await here.takes("git", 2.0)
    if here.git_trouble is not None:
        raise here.git_trouble


def _commit(onto: Commits, message: str, key: str) -> str:
    """Add a commit once per key, as `workspace.commits` does; return its id."""
    for commit, text in onto:
        if _has(text, key):
            return commit
    text = f"{message}\n\n{TRAILER}: {key}\n"
    onto.append((_id(text), text))
    return onto[-1][0]


def _has(text: str, key: str) -> bool:
    return f"{TRAILER}: {key}\n" in f"{text}\n"


def _id(text: str) -> str:
    return f"{crc32(text.encode()):040x}"
