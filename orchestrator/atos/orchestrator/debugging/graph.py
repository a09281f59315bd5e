"""The debug loop of one task (its graph follows)."""

from __future__ import annotations

from pathlib import Path

from atos.orchestrator.agents.roles import Profile
from atos.orchestrator.debugging.result import TaskResult
from atos.orchestrator.ports import Chat, Emit, Steps, Tools
from atos.orchestrator.task import Task


async def debug_task(
    task: Task,
    workspace: Path,
    profile: Profile,
    steps: Steps,
    chat: Chat,
    tools: Tools,
    emit: Emit,
) -> TaskResult:
    """Write a task's files in its worktree until its tests pass, or say what help is needed."""
    raise NotImplementedError
