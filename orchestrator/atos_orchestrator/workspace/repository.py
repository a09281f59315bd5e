"""One git repository per goal: where it is and what belongs to it.

Two kinds of place:

* **own**: a folder that ATOS makes (or an empty one that it was given). It gets a scaffold, a branch
  `main`, and its checked-out files follow the goal's progress.
* **a person's repository**: work lands on a new branch `atos/<slug>`. Their checkout, index,
  branches and uncommitted files are never touched; only that one branch appears, and grows.

In both cases ATOS works in a git directory of its own, `<home>/worktrees/<goal>/git`, which shares the
repository's *objects* and nothing else: no configuration, hook, filter or attribute file of the
workspace applies there. The goal's commits are on its branch `goal`; each task has a branch
`task/<id>` and a worktree beside it. A decision is written down *before* it is carried out
(`repository.json`), so opening again after a crash finds the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    """Return the key of the goal's first commit."""
    return f"{repository.goal}:scaffold"
