"""One git repository per goal: where it lies, and how it is opened, closed and swept up.

Two kinds of place:

* **own**: a folder that ATOS makes (or an empty one that it was given). It gets a scaffold, a branch
  `main`, and its checked-out files follow the goal's progress.
* **a person's repository**: work lands on a new branch `atos/<slug>`. Their checkout, index,
  branches and uncommitted files are never touched; only that one branch appears, and grows.

In both cases ATOS works in a git directory of its own, `<home>/worktrees/<goal>/git`, which shares the
repository's *objects* and nothing else: no configuration, hook, filter or attribute file of the
workspace is in force there. The goal's line of commits is its branch `goal`; each task has a branch
`task/<id>` and a worktree beside it. What was decided is written down *before* it is done
(`repository.json`), so opening again after a crash finds the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_orchestrator.workspace.git import Git

GOAL_BRANCH = "refs/heads/goal"


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository of one goal."""

    goal: str
    path: Path
    """What the person gets: the folder of the repository."""
    branch: str
    """Branch of that repository on which the work lands."""
    own: bool
    """Whether ATOS made it, so that its checked-out files follow the branch."""
    trees: Path
    """ATOS's private folder for this goal: git directory, worktrees, markers."""
    objects: Path
    """Object store shared with `path`."""
    base: str
    """Commit that the goal's work starts from; empty before the first commit."""
    started_at: float
    """Epoch seconds; every commit of the goal carries this moment."""
    slug: str = "goal"

    @property
    def git(self) -> Git:
        """Git in ATOS's own git directory."""
        return Git(self.trees, self.started_at).having(
            GIT_DIR=self.trees / "git", GIT_OBJECT_DIRECTORY=self.objects
        )

    @property
    def theirs(self) -> Git:
        """Git in the repository itself: for reading, and for moving the goal's one branch."""
        return Git(self.path, self.started_at)


def scaffold_key(repository: Repository) -> str:
    """Return the key of the commit that a goal's line begins with."""
    return f"{repository.goal}:scaffold"


def repository_to_json(repository: Repository) -> dict[str, Any]:
    """Return the plain form of a repository."""
    return {
        "goal": repository.goal,
        "path": str(repository.path),
        "branch": repository.branch,
        "own": repository.own,
        "trees": str(repository.trees),
        "objects": str(repository.objects),
        "base": repository.base,
        "started_at": repository.started_at,
        "slug": repository.slug,
    }


def repository_from_json(data: Mapping[str, Any]) -> Repository:
    """Rebuild a repository that `repository_to_json` wrote."""
    paths: dict[str, Any] = {name: Path(data[name]) for name in ("path", "trees", "objects")}
    return Repository(**(dict(data) | paths))
