"""The bodies of the goal workflow's steps: everything that it does to the world.

Each may run more than once, because a process may die between the effect and its record. So each
carries a key: events are told once per key, commits are looked up by their trailer, a repository that
was decided on is found again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from atos_orchestrator.debugging import result_from_json
from atos_orchestrator.execution.execution_log import write_execution_log
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.result_aggregator import (
    GoalOutcome,
    Outcome,
    Verification,
    made_tests,
    record,
)
from atos_orchestrator.execution.steps import DurableEmit
from atos_orchestrator.execution.task_workflow import effect_key
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Next, Plan
from atos_orchestrator.ports import Json
from atos_orchestrator.workspace.commits import commit_files, integrate
from atos_orchestrator.workspace.opening import open_repository
from atos_orchestrator.workspace.repository import Repository, repository_to_json
from atos_orchestrator.workspace.scaffold import record_path
from atos_orchestrator.workspace.worktrees import close_repository, open_result

VERIFY_SECONDS = 40.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoalEffects:
    """What the steps of one goal do."""

    deps: WorkflowDeps
    order: GoalInput

    def emit(self, task: str | None = None) -> DurableEmit:
        """Return what appends events of the goal, or of one of its tasks."""
        return DurableEmit(self.deps.events, self.order.goal, task)

    async def intake(self) -> Json:
        """Open the repository."""
        order, settings = self.order, self.deps.settings
        repository = await open_repository(
            Path(order.into) if order.into else None,
            order.slug,
            goal=order.goal,
            text=order.text,
            home=settings.home,
            workspaces=settings.workspaces,
            started_at=order.submitted_at,
        )
        emit = self.emit()
        started = {"engine": order.engine, "models": list(order.models)}
        emit("goal_started", started | {"repository": str(repository.path)}, key="start")
        if order.announcement:
            emit("announcement", {"text": order.announcement}, key="engine")
        return repository_to_json(repository)

    async def advance(self, now: Next) -> Json:
        """Tell which tasks are skipped and which are queued now."""
        for task_id in now.skip:
            self.emit(task_id)("task_done", {"state": "skipped", "rounds": 0}, key="end")
        for task_id in now.start:
            self.emit(task_id)("task_queued", {}, key="queue")
        return {}

    async def integrate(self, task_id: str, told: Json, repository: Repository) -> Json:
        """Put what a task made onto the goal's line, and tell what became of it.

        Raises:
            ConflictError: it contradicts what stands there.
        """
        emit = self.emit(task_id)
        if "error" in told:
            data = {"state": "failed", "rounds": 0, "digest": told["error"]["message"]}
            emit("task_done", data | {"error": told["error"]}, key="end")
            return {}
        result = result_from_json(told["result"])
        state = "done" if result.outcome == "done" else "failed"
        commit = ""
        if state == "done":
            key = effect_key(self.order.goal, task_id)
            commit = await integrate(repository, task_id, key=key)
            emit("task_committed", {"commit": commit}, key="commit")
        data = {"state": state, "rounds": result.rounds, "digest": result.digest}
        emit("task_done", data, key="end")
        return {"commit": commit}

    async def verify(self, repository: Repository, outcomes: Mapping[str, Outcome]) -> Json:
        """Run all tests together: the whole repository's, or those of a catalogue goal.

        The catalogue's rules hold for what atos-mini wrote; a person's own tests, in a repository
        that was there before, need not keep them.
        """
        folder = await open_result(repository)
        mini = self.order.profile == "mini"
        verdict = await self.deps.tools(
            "code_runner",
            "run_pytest",
            {
                "path": str(folder),
                "timeout_s": VERIFY_SECONDS,
                "tests": made_tests(outcomes) if mini else [],
                "policy": "catalogue" if mini else "general",
            },
            roots=[repository.trees],
        )
        counts = {"passed": verdict["passed"], "failed": verdict["failed"]}
        ran = counts | {
            "isolation": verdict["isolation"]["level"],
            "uid": verdict["uid"],
            "interpreter": verdict["interpreter"],
        }
        emit = self.emit()
        times = {"started_at": verdict["started_at"], "ended_at": verdict["ended_at"]}
        tested = {"which": "verify", "ok": verdict["ok"]}
        emit("tests_run", ran | times | tested, key="verify")
        emit("goal_verified", ran, key="verify")
        return counts | {"ok": verdict["ok"], "digest": "" if verdict["ok"] else verdict["digest"]}

    async def record(
        self,
        plan: Plan,
        outcomes: Mapping[str, Outcome],
        verified: Verification | None,
        repository: Repository,
    ) -> Json:
        """Commit the execution log."""
        models = sorted({o.result.model for o in outcomes.values() if o.result} - {""})
        engines = sorted({o.result.engine for o in outcomes.values() if o.result} - {""})
        by = {"engine": ", ".join(engines) or self.order.engine, "models": ", ".join(models)}
        text = record(self.order.text, plan, outcomes, verified, by)
        files = {record_path(repository.slug): text}
        key = f"{self.order.goal}:record"
        return {"commit": await commit_files(repository, files, "Tell how it came about", key=key)}

    async def aggregate(self, ending: GoalOutcome, repository: Repository | None) -> Json:
        """Say how it ended, and clean up."""
        data = {"state": ending.state, "summary": ending.summary, "error": ending.error}
        self.emit()("goal_finished", data, key="end")
        await anyio.to_thread.run_sync(self._write_log)
        if repository is not None:
            await close_repository(repository)
        return {}

    def _write_log(self) -> None:
        """Write the timed execution log; the events are its source, so a failure loses nothing."""
        goal = self.order.goal
        try:
            write_execution_log(self.deps.settings.logs, goal, self.deps.events.read(goal))
        except OSError:
            log.warning("the execution log of %s can't be written", goal, exc_info=True)
