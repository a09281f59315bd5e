"""The task workflow: worktree -> debug graph -> commit.

    worktree   a checkout of what the goal has so far
    route      where the goal wants it so, n8n is asked with which pool to begin (`task_routing`)
    packages   what its code may import besides the standard library, if anything, is installed
    debug      the loop of code, syntax check, tests and reflection (each of its nodes one step)
    commit     the task's files on the task's own branch, once

It never fails: whatever happens is its result, and the goal decides what that means for the other
tasks. Putting the commit on the goal's branch is the goal's business too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from atos_daemon.log_context import log_about
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.execution.goal_input import GoalInput, Resumption
from atos_orchestrator.execution.package_environment import prepared
from atos_orchestrator.execution.step_errors import as_atos_error, is_trouble_between_steps
from atos_orchestrator.execution.steps import DurableEmit, DurableSteps
from atos_orchestrator.execution.task_routing import N8N, TaskRouting, Ticket, with_route
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.ports import Json, Tools
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.task import Task
from atos_orchestrator.workspace.commits import commit_task
from atos_orchestrator.workspace.repository import Repository
from atos_orchestrator.workspace.worktrees import is_lost, open_worktree
from atos_protocol.errors import AtosError, WorkspaceError
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
        run = _TaskRun(
            self.deps,
            decode(GoalInput, argument["goal_input"]),
            decode(Task, argument["task"]),
            decode(Repository, argument["repository"]),
            tuple(argument.get("seeds", ())),
        )
        with log_about(goal=run.goal_input.goal, task=run.task.id):
            return await self._worked_on(run)

    async def _worked_on(self, run: _TaskRun) -> Json:
        try:
            result = await run.until_committed()
        except AtosError as error:
            wire = error.to_wire()
        except Exception as error:
            if is_trouble_between_steps(error):
                raise  # the runtime has the run begun again
            log.exception("task %s of goal %s failed", run.task.id, run.goal_input.goal)
            wire = as_atos_error(error, "task").to_wire()
        else:
            return {"result": encode(result)}
        return {"error": await run.lost_worktree() or wire}


@dataclass(slots=True)
class _TaskRun:
    """One execution of a task."""

    deps: WorkflowDeps
    goal_input: GoalInput
    task: Task
    repository: Repository
    seeds: tuple[Mapping[str, str], ...]
    emit: DurableEmit = field(init=False)
    steps: DurableSteps = field(init=False)
    tools: Tools = field(init=False)

    def __post_init__(self) -> None:
        goal_input = self.goal_input
        self.emit = DurableEmit(
            self.deps.events, goal_input.goal, self.task.id, goal_input.revision
        )
        self.steps = DurableSteps(
            self.deps.runtime, "task", self.emit, self.emit.written, self.deps.gate, goal_input.goal
        )
        self.tools = self.deps.tools_of(self.emit)

    async def until_committed(self) -> TaskResult:
        """Do everything, and close what was opened for the task's folder, however it ends."""
        worktree = Path((await self.steps("worktree", self._open_worktree))["worktree"])
        if self.goal_input.router == N8N:
            self.task = with_route(self.task, await self.steps("route", self._route))
        try:
            result = await self._debug(worktree, await self._modules(worktree))
        finally:
            with anyio.CancelScope(shield=True):
                await self.deps.release([worktree])
        if result.outcome == "done":
            await self.steps("commit", lambda: self._commit(result))
        return replace(result, digest=result.digest[-4000:])

    async def lost_worktree(self) -> Json:
        """Return the error that explains all others: somebody removed what the task worked in; else nothing."""

        async def look() -> Json:
            return {"lost": is_lost(self.repository, self.task.id)}

        if not (await self.steps("look", look))["lost"]:
            return {}
        message = f"its worktree {self.repository.trees / self.task.id} was removed"
        return WorkspaceError(message).to_wire()

    async def _open_worktree(self) -> Json:
        folder = await open_worktree(self.repository, self.task.id)
        self.emit("task_started", {"round": 0}, key="start")
        return {"worktree": str(folder)}

    async def _route(self) -> Json:
        goal_input = self.goal_input
        ticket = Ticket(goal_input.goal, self.task.id, goal_input.revision)
        routing = TaskRouting(self.deps.settings, self.deps.events, self.tools)
        await (
            self.emit.written()
        )  # the decision comes after the task's start, which is appended soon
        return await routing.route(ticket, self.task)

    async def _modules(self, worktree: Path) -> tuple[str, ...]:
        """Have the task's packages installed; return what they may be imported as."""
        if not self.task.packages:
            return ()

        def tell(waits_for: str) -> None:
            data = {"for": waits_for, "code": "preparing", "since": time.time()}
            self.emit("waiting", data, key=f"{self.task.id}:packages")

        async def prepare() -> Json:
            return encode(await prepared(self.tools, self.task.packages, worktree, tell))

        return decode(PackagesReport, await self.steps("packages", prepare)).modules

    async def _debug(self, worktree: Path, modules: tuple[str, ...]) -> TaskResult:
        goal_input, task = self.goal_input, self.task
        return await self.deps.debug(
            DebugContext(
                task=task,
                workspace=TaskWorkspace(worktree, self.tools, task.packages),
                modules=modules,
                strategy=strategy_named(goal_input.strategy),
                steps=self.steps,
                chat=self.deps.limited_chat(goal_input, task.id),
                emit=self.emit,
                goal=goal_input.text,
                pools=goal_input.pools,
                seeds=self.seeds,
            )
        )

    async def _commit(self, result: TaskResult) -> Json:
        goal_input, task = self.goal_input, self.task
        first_line = goal_input.text.splitlines()[0][:200]
        commit = await commit_task(
            self.repository,
            task.id,
            files=result.files,
            message=f"{task.title}\n\nTask {task.id} of: {first_line}",
            key=effect_key(goal_input.goal, task.id),
        )
        return {"commit": commit}
