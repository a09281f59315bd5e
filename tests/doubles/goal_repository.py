"""A goal's repository with real git, what tasks do in it, and what a person does there."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import anyio

from atos_orchestrator.workspace import (
    Repository,
    commit_task,
    integrate,
    open_repository,
    open_worktree,
    publish,
)
from atos_orchestrator.workspace.repository import WRITING

AT = 1_700_000_000.0
PERSON = {
    "GIT_AUTHOR_NAME": "P",
    "GIT_AUTHOR_EMAIL": "p@x",
    "GIT_COMMITTER_NAME": "P",
    "GIT_COMMITTER_EMAIL": "p@x",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}


def git(folder: Path, *arguments: str) -> str:
    """Run git as the person would."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=PERSON, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


async def opened(tmp_path: Path, into: Path | None = None, **more: Any) -> Repository:
    how: dict[str, Any] = {
        "goal": "g1",
        "text": "Add two numbers",
        "home": tmp_path / "h",
        "workspaces": tmp_path / "w",
        "started_at": AT,
    }
    return await open_repository(into, "add-two", **(how | more))


async def work(repository: Repository, task: str, files: dict[str, str]) -> None:
    """Do what a task does: write files in its worktree and commit them."""
    tree = await open_worktree(repository, task)
    for name, text in files.items():
        await anyio.Path(tree, name).parent.mkdir(parents=True, exist_ok=True)
        await anyio.Path(tree, name).write_text(text)
    key = f"{repository.goal}:{task}"
    await commit_task(repository, task, files=list(files), message=f"Do {task}", key=key)


async def integrated(repository: Repository, task: str) -> str:
    commit = await integrate(repository, task, key=f"{repository.goal}:{task}")
    await publish(repository)
    return commit


def cut_off(repository: Repository, file: str, half: str) -> None:
    """Have the newest publication cut off in its middle, as a kill does, with one file half written."""
    before, head = (git(repository.path, "rev-parse", name) for name in ("main^", "main"))
    git(repository.path, "update-ref", "refs/heads/main", before)
    (repository.path / file).write_text(half)
    (repository.path / ".git" / "index.lock").write_text(f"ATOS: {repository.goal}\n")
    (repository.trees / WRITING).write_text(json.dumps([before, head]))
    repository.unpublished.touch()


def persons(folder: Path) -> Path:
    """Make a repository of a person's own."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "dev")
    (folder / "app.py").write_text("print('app')\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Mine")
    return folder
