"""The bodies of the goal workflow's steps: everything that it does to the outside.

Each may run more than once, because a process may die between the effect and its record. So each
carries a key: events are appended once per key, commits are looked up by their trailer, and an earlier
decision about the repository is found again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.execution.closing_files import Ending, closing_files, versions
from atos_orchestrator.execution.delivery import where
from atos_orchestrator.execution.execution_log import write_execution_log
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.goal_notes import notes_of
from atos_orchestrator.execution.package_environment import NOTHING, packages_of, prepared
from atos_orchestrator.execution.plan_review import plan_digest, shown_plan
from atos_orchestrator.execution.result_aggregator import (
    GoalOutcome,
    TaskOutcome,
    Verification,
    execution_record,
    test_files,
)
from atos_orchestrator.execution.step_errors import as_atos_error, class_of
from atos_orchestrator.execution.steps import DurableEmit
from atos_orchestrator.execution.task_workflow import effect_key
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Next, Plan
from atos_orchestrator.ports import Json, Tools
from atos_orchestrator.strategies.registry import strategy_named
from atos_orchestrator.workspace.candidates import drop_candidates, keep_candidates
from atos_orchestrator.workspace.closing import close_repository
from atos_orchestrator.workspace.commits import commit_files, find_effect, integrate
from atos_orchestrator.workspace.opening import open_repository, reopen_repository
from atos_orchestrator.workspace.publication import Publication
from atos_orchestrator.workspace.publish import publish
from atos_orchestrator.workspace.repository import Repository
from atos_orchestrator.workspace.scaffold import record_path
from atos_orchestrator.workspace.worktrees import open_result
from atos_protocol.errors import PackagesError
from atos_protocol.packages import PackagesReport
from atos_protocol.verdicts import Verdict

VERIFY_SECONDS = 40.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoalEffects:
    """What the steps of one goal do."""

    deps: WorkflowDeps
    goal_input: GoalInput

    def emit(self, task: str | None = None) -> DurableEmit:
        """Return an `Emit` for the goal, or for one of its tasks."""
        revision = self.goal_input.revision
        return DurableEmit(self.deps.events, self.goal_input.goal, task, revision)

    @property
    def tools(self) -> Tools:
        """Access to the servers on behalf of the goal itself."""
        return self.deps.tools_of(self.emit())

    async def intake(self) -> Json:
        """Open the repository; that of a resumed goal is found again."""
        goal_input, settings = self.goal_input, self.deps.settings
        if goal_input.resumed is not None and goal_input.resumed.repository is not None:
            known = goal_input.resumed.repository
            return encode(await reopen_repository(known, goal_input.text))
        repository = await open_repository(
            Path(goal_input.into) if goal_input.into else None,
            goal_input.slug,
            goal=goal_input.goal,
            text=goal_input.text,
            home=settings.home,
            workspaces=settings.workspaces,
            started_at=goal_input.submitted_at,
        )
        emit = self.emit()
        started = {"engine": goal_input.engine, "models": list(goal_input.models)}
        emit("goal_started", started | {"repository": str(repository.path)}, key="start")
        if goal_input.announcement:
            emit("announcement", {"text": goal_input.announcement}, key="engine")
        return encode(repository)

    async def advance(self, now: Next) -> Json:
        """Record which tasks are skipped and which are queued now; return what a person has noted for them."""
        for task_id in now.skip:
            self.emit(task_id)("task_done", {"state": "skipped", "rounds": 0}, key="end")
        for task_id in now.start:
            self.emit(task_id)("task_queued", {}, key="queue")
        goal, events = self.goal_input.goal, self.deps.events
        await events.written(goal)
        return {"notes": notes_of(await anyio.to_thread.run_sync(events.of_kind, goal, "noted"))}

    async def review(self, plan: Plan) -> Json:
        """Show the plan that waits for approval."""
        data = {"digest": plan_digest(plan), "plan": shown_plan(plan)}
        self.emit()("plan_review", data, key="review")
        return {}

    async def integrate(self, task_id: str, returned: Json, repository: Repository) -> Json:
        """Put a task's commit on the goal's branch, publish it, and record how the task ended.

        What a person does in the repository is no failure of the task: what can't be published now is kept, and
        a `warning` says so.

        Args:
            task_id: the task.
            returned: what its run returned.
            repository: of the goal.

        Raises:
            ConflictError: another task changed one of the same files.
        """
        emit = self.emit(task_id)
        if "error" in returned:
            data = {"state": "failed", "rounds": 0, "digest": returned["error"]["message"]}
            emit("task_done", data | {"error": returned["error"]}, key="end")
            return {}
        result = decode(TaskResult, returned["result"])
        state = "done" if result.outcome == "done" else "failed"
        commit = ""
        if state == "done":
            key = effect_key(self.goal_input.goal, task_id)
            own = await integrate(repository, task_id, key=key)
            published = await self._publish(repository)
            commit = await find_effect(repository, published.commit, key) or own
            emit("task_committed", {"commit": commit}, key="commit")
            await drop_candidates(repository, task_id)
        branches = await keep_candidates(repository, task_id, result.kept) if result.kept else []
        data: Json = {"state": state, "rounds": result.rounds, "digest": result.digest}
        data |= {"proof": result.proof, "evidence": result.evidence, "branches": branches}
        if result.question is not None:
            data["question"] = encode(result.question)
        emit("task_done", data, key="end")
        return {"commit": commit}

    async def verify(
        self, plan: Plan, repository: Repository, outcomes: Mapping[str, TaskOutcome]
    ) -> Json:
        """Run all tests together, with what a person committed, as far as the strategy covers the repository."""
        published = await self._publish(repository)
        folder = await open_result(repository, published.commit)
        strategy = strategy_named(self.goal_input.strategy)
        packages = packages_of(plan)
        await prepared(self.tools, packages, repository.trees)
        found = await self.tools(
            "code_runner",
            "run_pytest",
            {
                "path": str(folder),
                "timeout_s": VERIFY_SECONDS,
                "tests": [] if strategy.verifies_repository else test_files(outcomes),
                "policy": strategy.sandbox_policy,
                **({"packages": list(packages)} if packages else {}),
            },
            roots=[repository.trees],
        )
        verdict = decode(Verdict, found)
        counts = {"passed": verdict.passed, "failed": verdict.failed}
        ran = counts | {
            "isolation": verdict.isolation.level,
            "uid": verdict.uid,
            "interpreter": verdict.interpreter,
        }
        emit = self.emit()
        times = {"started_at": verdict.started_at, "ended_at": verdict.ended_at}
        untested = verdict.state == "no_tests"
        tested = {"which": "verify", "ok": verdict.all_passed, "untested": untested}
        tested |= {"proven": verdict.proven}
        emit("tests_run", ran | times | tested, key="verify")
        emit("goal_verified", ran | {"untested": untested}, key="verify")
        digest = "" if verdict.all_passed else verdict.digest
        return counts | {"ok": verdict.all_passed, "digest": digest, "untested": untested}

    async def record(
        self,
        plan: Plan,
        outcomes: Mapping[str, TaskOutcome],
        verified: Verification | None,
        repository: Repository,
    ) -> Json:
        """Commit the execution log, and what tells a person how to use the result."""
        results = [each.result for each in outcomes.values() if each.result]
        engines = sorted({result.engine for result in results} - {""})
        models = sorted({result.model for result in results} - {""})
        installed = await self._installed(plan, repository)
        text = execution_record(
            self.goal_input.text,
            plan,
            outcomes,
            verified,
            engine=", ".join(engines) or self.goal_input.engine,
            models=", ".join(models),
            packages=versions(installed),
        )
        files = {record_path(repository.slug): text}
        if any(outcome.state == "done" for outcome in outcomes.values()):
            ending = Ending(self.goal_input.text, plan, outcomes, verified, installed)
            files |= await closing_files(repository, ending)
        key = f"{self.goal_input.run}:record"
        commit = await commit_files(repository, files, "Add the execution log", key=key)
        return {"commit": commit, "publication": encode(await self._publish(repository))}

    async def deploy(self, repository: Repository) -> Json:
        """Deploy the repository to the goal's target; what is planned again and the same is deployed once."""
        target, roots = self.goal_input.deploy, [repository.path]
        asked = {"path": str(repository.path), "target": target}
        plan = await self.tools("workflow", "plan_deployment", asked, roots=roots)
        await prepared(self.tools, tuple(plan["planned"]["requirements"]), repository.trees)
        approved = {"name": plan["name"], "digest": plan["planned"]["digest"]}
        done = await self.tools("workflow", "deploy", approved, roots=roots)
        while done.get(
            "under_way"
        ):  # each call waits for it, and the deployment's own steps have deadlines
            asked = {"name": plan["name"]}
            done = await self.tools("workflow", "verify_deployment", asked, roots=roots)
        told = f"{done['name']} on {target}: {done['state']} {done['url']} {done['reason']}".strip()
        self.emit()("announcement", {"text": told}, key="deploy")
        return {name: done[name] for name in ("name", "state", "url", "reason")}

    async def _publish(self, repository: Repository) -> Publication:
        """Publish, and tell once of each thing that is in the way."""
        found = await publish(repository)
        if found.trouble:
            text = f"{found.trouble}. Nothing is lost: {where(found)}"
            key = hashlib.sha256(text.encode()).hexdigest()[:16]
            self.emit()("warning", {"text": text}, key=f"kept:{key}")
        return found

    async def _installed(self, plan: Plan, repository: Repository) -> PackagesReport:
        """Return what was installed; the verification has had it installed, so this is no download."""
        try:
            return await prepared(self.tools, packages_of(plan), repository.trees)
        except PackagesError:
            return NOTHING

    async def aggregate(self, outcome: GoalOutcome, repository: Repository | None) -> Json:
        """Record how the goal ended, and clean up."""
        data = {"state": outcome.state, "summary": outcome.summary, "error": outcome.error}
        if outcome.deployment_url:
            data["deployment_url"] = outcome.deployment_url
        emit = self.emit()
        emit("goal_finished", data, key="end")
        await emit.written()
        await anyio.to_thread.run_sync(self._write_log)
        if repository is not None:
            await self.release(repository)
            await self._clean_up(repository)
        return {}

    async def release(self, repository: Repository) -> None:
        """Close the connections to the servers that the goal itself has opened: tasks close theirs."""
        for root in (repository.trees, repository.path):
            await self.deps.release([root])

    async def _clean_up(self, repository: Repository) -> None:
        """Remove what only the work needed; what can't be removed does not cost the goal its record."""
        try:
            await close_repository(repository)
        except Exception as error:
            if class_of(as_atos_error(error, "aggregate").code) == "transient":
                raise
            log.warning(
                "what goal %s leaves is not cleaned up", self.goal_input.goal, exc_info=True
            )

    def _write_log(self) -> None:
        """Write the timed execution log; the events are its source, so a failure loses nothing."""
        goal = self.goal_input.goal
        try:
            write_execution_log(self.deps.settings.logs, goal, self.deps.events.read(goal))
        except OSError:
            log.warning("the execution log of %s can't be written", goal, exc_info=True)
