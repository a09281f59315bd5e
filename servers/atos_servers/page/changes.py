"""The code of a task as git has it: what its commit changed, or what stands on its candidates' branches.

git runs as everywhere in ATOS: without hooks, filters, and configuration of the repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atos_protocol.errors import AtosError

if TYPE_CHECKING:
    from atos_orchestrator.workspace.git import Git

MOST_CHARACTERS = 200_000
SHOW = ("--no-color", "--no-ext-diff", "--no-textconv", "--format=", "--patch")


async def changes(goal: Mapping[str, Any], report: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return diffs of a task: its commits, else its branches; each with what it is.

    Args:
        goal: as `get_goal` shows it.
        report: as `get_task` shows it.

    Raises:
        WorkspaceError: the repository is gone.
    """
    from atos_orchestrator.workspace.git import Git  # half a second, which few requests need

    if not goal["repository"]:
        return []
    git = Git(Path(goal["repository"]))
    task = next((one for one in goal["tasks"] if one["id"] == report["id"]), None)
    commits = [_commit(event) for event in report["events"] if event["kind"] == "task_committed"]
    found = [(f"commit {commit[:10]}", commit) for commit in dict.fromkeys(commits) if commit]
    if not found and task is not None:
        found = [(f"branch {name}", f"refs/heads/{name}") for name in task["branches"]]
    return [{"what": what, "text": await _shown(git, name)} for what, name in found]


def _commit(event: Mapping[str, Any]) -> str:
    commit = str(event["data"].get("commit", ""))
    return commit if commit.isalnum() else ""


async def _shown(git: Git, name: str) -> str:
    try:
        text = await git.run("show", *SHOW, name, "--")
    except AtosError as error:
        return f"{error.message}"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n… (cut)"
