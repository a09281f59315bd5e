"""One git repository per goal; one branch and worktree per task.

    open_repository -> { open_worktree -> commit_task -> integrate -> publish } per task
                    -> open_result -> commit_files -> publish -> close_repository

Every call may be repeated at any point: what was done already is found and not done again.
"""

from atos_orchestrator.workspace.candidates import drop_candidates, keep_candidates
from atos_orchestrator.workspace.closing import close_repository, sweep
from atos_orchestrator.workspace.commits import commit_files, commit_task, integrate
from atos_orchestrator.workspace.opening import open_repository
from atos_orchestrator.workspace.publication import Publication
from atos_orchestrator.workspace.publish import publish
from atos_orchestrator.workspace.repository import Repository
from atos_orchestrator.workspace.worktrees import open_result, open_worktree

__all__ = [
    "Publication",
    "Repository",
    "close_repository",
    "commit_files",
    "commit_task",
    "drop_candidates",
    "integrate",
    "keep_candidates",
    "open_repository",
    "open_result",
    "open_worktree",
    "publish",
    "sweep",
]
