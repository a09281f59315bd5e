"""The task workflow: worktree -> debug graph -> commit.

    worktree   a checkout of what the goal has so far
    packages   what its code may import besides the standard library, if anything, is installed
    debug      the loop of code, syntax check, tests and reflection (each of its nodes one step)
    commit     the task's files on the task's own branch, once

It never fails: whatever happens is its result, and the goal decides what that means for the other
tasks. Putting the commit on the goal's branch is the goal's business too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.execution.goal_input import GoalInput, Resumption
from atos_orchestrator.execution.package_environment import prepared
from atos_orchestrator.execution.steps import DurableEmit, DurableSteps
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import Task
from atos_orchestrator.workspace.commits import commit_task
from atos_orchestrator.workspace.repository import Repository
from atos_orchestrator.workspace.worktrees import open_worktree
from atos_protocol.errors import AtosError
from atos_protocol.packages import PackagesReport

log = logging.getLogger(__name__)


def task_argument(goal_input: GoalInput, task: Task, repository: Repository) -> Json:
    """Return the argument of a task's run: of the goal's, what this task needs."""
    seeds = (goal_input.resumed or Resumption()).seeds.get(task.id, ())
    return {
        "goal_input": encode(replace(goal_input, plan=None, resumed=None)),
        "task": encode(task),
        "repository": encode(repository),
        "seeds": [dict(seed) for seed in seeds],
    }


def effect_key(goal: str, task: str) -> str:
    """Return the key that the task's commit carries as its trailer."""
    return f"{goal}:{task}"


@dataclass(frozen=True, slots=True)
class TaskWorkflow:
    """The body of a task's run. Its result is `{"result": TaskResult}` or `{"error": wire}`."""

    deps: WorkflowDeps

    async def __call__(self, argument: Json) -> Json:
        """Work on one task; `argument` comes from `task_argument`."""
        goal_input = decode(GoalInput, argument["goal_input"])
        task = decode(Task, argument["task"])
        repository = decode(Repository, argument["repository"])
        try:
            result = await self._work(goal_input, task, repository, argument.get("seeds", []))
        except AtosError as error:
            return {"error": error.to_wire()}
        except Exception as error:
            log.exception("task %s of goal %s failed", task.id, goal_input.goal)
            wire = {"code": "internal", "message": f"{type(error).__name__}: {error}"}
            return {"error": wire | {"next": "See logs/worker.log."}}
        return {"result": encode(result)}

    async def _work(
        self,
        goal_input: GoalInput,
        task: Task,
        repository: Repository,
        seeds: Sequence[Mapping[str, str]],
    ) -> TaskResult:
        deps = self.deps
        steps = DurableSteps(deps.runtime, "task")
        emit = DurableEmit(deps.events, goal_input.goal, task.id, goal_input.revision)

        async def open_tree() -> Json:
            folder = await open_worktree(repository, task.id)
            emit("task_started", {"round": 0}, key="start")
            return {"worktree": str(folder)}

        worktree = Path((await steps("worktree", open_tree))["worktree"])
        modules: tuple[str, ...] = ()
        if task.packages:

            async def prepare() -> Json:
                return encode(await prepared(deps.tools, task.packages, worktree))

            modules = decode(PackagesReport, await steps("packages", prepare)).modules
        result = await deps.debug(
            DebugContext(
                task=task,
                workspace=TaskWorkspace(worktree, deps.tools, task.packages),
                modules=modules,
                strategy=strategy_named(goal_input.strategy),
                steps=steps,
                chat=deps.limited_chat(goal_input, task.id),
                emit=emit,
                goal=goal_input.text,
                pools=goal_input.pools,
                seeds=tuple(seeds),
            )
        )
        if result.outcome == "done":
            await steps("commit", lambda: _commit(goal_input, task, repository, result))
        return replace(result, digest=result.digest[-4000:])


async def _commit(
    goal_input: GoalInput, task: Task, repository: Repository, result: TaskResult
) -> Json:
    first_line = goal_input.text.splitlines()[0][:200]
    commit = await commit_task(
        repository,
        task.id,
        files=result.files,
        message=f"{task.title}\n\nTask {task.id} of: {first_line}",
        key=effect_key(goal_input.goal, task.id),
    )
    return {"commit": commit}
