"""One git repository per goal: where it is and what belongs to it.

Two kinds of place:

* **own**: a folder that ATOS makes (or an empty one that it was given). It gets a scaffold, a branch
  `main`, and its checked-out files follow the goal's progress.
* **a person's repository**: work lands on a new branch `atos/<slug>`. Their checkout, index, branches and
  uncommitted files are never touched, unless they check out that branch: then it is followed as above.

In both cases ATOS works in a git directory of its own, `<home>/worktrees/<goal>/git`. It has every object
that ATOS makes, and reads those of the repository (`objects/info/alternates`); what is published is copied
there. So a folder that is deleted, a branch that is removed or a `git gc` there takes nothing of ATOS's work,
and no configuration, hook or filter of the workspace applies. The goal's commits are on its branch `goal`, which
only ATOS moves; each task has a branch `task/<id>` and a worktree beside it. A decision is written down *before*
it is carried out (`repository.json`), so opening again after a crash finds the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atos_orchestrator.workspace.git import Git

GOAL_BRANCH = "refs/heads/goal"
UNPUBLISHED = "unpublished"
WRITING = "checking-out"
DECISION = "repository.json"
OWNER = "atos-goal"
"""File in the `.git` of an own repository that names its goal."""


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
    """Object store of `path`, which ATOS's own git directory reads too."""
    base: str
    """Commit that the goal's work starts from; empty before the first commit."""
    started_at: float
    """Epoch seconds; every commit of the goal carries this moment."""
    slug: str = "goal"

    @property
    def git(self) -> Git:
        """Git in ATOS's own git directory."""
        return Git(self.trees, self.started_at).having(GIT_DIR=self.trees / "git")

    @property
    def theirs(self) -> Git:
        """Git in the repository itself: for reading, and for moving the goal's one branch."""
        return Git(self.path, self.started_at)

    @property
    def unpublished(self) -> Path:
        """Marker: something of the goal may be in ATOS's own git directory only."""
        return self.trees / UNPUBLISHED


def scaffold_key(repository: Repository) -> str:
    """Return the key of the goal's first commit."""
    return f"{repository.goal}:scaffold"
