"""The task workflow: worktree -> debug graph -> commit.

    worktree   a checkout of what the goal has so far
    debug      the loop of code, syntax, test and reflection (each of its nodes one step)
    commit     the task's files on the task's own branch, once

It never fails for reasons of the task: whatever happens is its result, and the goal decides what
that means for the others. Putting the commit onto the goal's line is the goal's business too.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from atos_orchestrator.debugging import TaskResult, result_to_json
from atos_orchestrator.execution.goal_input import (
    GoalInput,
    goal_input_from_json,
    goal_input_to_json,
)
from atos_orchestrator.execution.planning import limited_chat
from atos_orchestrator.execution.steps import DurableEmit, DurableSteps
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task, task_from_json, task_to_json
from atos_orchestrator.workspace.commits import commit_task
from atos_orchestrator.workspace.repository import (
    Repository,
    repository_from_json,
    repository_to_json,
)
from atos_orchestrator.workspace.worktrees import open_worktree
from atos_protocol.errors import AtosError

log = logging.getLogger(__name__)


def task_argument(order: GoalInput, task: Task, repository: Repository) -> Json:
    """Return the argument of a task's run."""
    return {
        "order": goal_input_to_json(order),
        "task": task_to_json(task),
        "repository": repository_to_json(repository),
    }


def effect_key(goal: str, task: str) -> str:
    """Return the key that the task's commit carries as its trailer."""
    return f"{goal}:{task}"


class TaskWorkflow:
    """The body of a task's run. Its result is `{"result": TaskResult}` or `{"error": wire}`."""

    def __init__(self, deps: WorkflowDeps) -> None:
        self._deps = deps

    async def __call__(self, argument: Json) -> Json:
        """Work on one task; `argument` comes from `task_argument`."""
        order = goal_input_from_json(argument["order"])
        task = task_from_json(argument["task"])
        repository = repository_from_json(argument["repository"])
        try:
            result = await self._work(order, task, repository)
        except AtosError as error:
            return {"error": error.to_wire()}
        except Exception as error:
            log.exception("task %s of goal %s failed", task.id, order.goal)
            wire = {"code": "internal", "message": f"{type(error).__name__}: {error}"}
            return {"error": wire | {"next": "See logs/worker.log."}}
        return {"result": result_to_json(result)}

    async def _work(self, order: GoalInput, task: Task, repository: Repository) -> TaskResult:
        deps = self._deps
        steps = DurableSteps(deps.runtime, "task")
        emit = DurableEmit(deps.events, order.goal, task.id)

        async def open_tree() -> Json:
            folder = await open_worktree(repository, task.id)
            emit("task_started", {"round": 0}, key="start")
            return {"worktree": str(folder)}

        worktree = Path((await steps("worktree", open_tree))["worktree"])
        chat = limited_chat(deps, order, task.id)
        result = await deps.debug(task, worktree, order.profile, steps, chat, deps.tools, emit)
        if result.outcome == "done":
            await steps("commit", lambda: self._commit(order, task, repository, result))
        return replace(result, digest=result.digest[-4000:])

    async def _commit(
        self, order: GoalInput, task: Task, repository: Repository, result: TaskResult
    ) -> Json:
        commit = await commit_task(
            repository,
            task.id,
            files=result.files,
            message=f"{task.title}\n\nTask {task.id} of: {order.text.splitlines()[0][:200]}",
            key=effect_key(order.goal, task.id),
        )
        return {"commit": commit}
