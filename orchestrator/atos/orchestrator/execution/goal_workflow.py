"""The goal workflow: intake -> plan -> run the DAG -> integrate -> verify -> aggregate.

    intake      the repository stands; `goal_started`
    plan        the planning graph (each node one step), or a plan that the caller made
    run DAG     +-> advance    skip what can't start any more, queue what can
                |   wait       for the first task to end, whichever it is: no waves
                +-- integrate  its commit onto the goal's line, one task after the other
    verify      the tests of the whole repository
    aggregate   execution log, `goal_finished`, clean up

The workflow is the one owner of the DAG's state, and rebuilds it by replaying its steps: everything
outside of steps is a pure function of their results. Effects carry keys of their own (git trailers,
event keys), because a step that was killed after its effect runs again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from atos.orchestrator.debugging import result_from_json
from atos.orchestrator.execution.crew import Crew
from atos.orchestrator.execution.ending import Ending, Outcome, Verification, end_of, record
from atos.orchestrator.execution.limits import LimitReachedError
from atos.orchestrator.execution.order import TASK, GoalOrder, order_from_json
from atos.orchestrator.execution.planning import planned
from atos.orchestrator.execution.runtime import TASKS
from atos.orchestrator.execution.steps import DurableEmit, DurableSteps
from atos.orchestrator.execution.task_workflow import effect_key, task_argument
from atos.orchestrator.plan import Next, Plan, next_tasks
from atos.orchestrator.ports import Json
from atos.orchestrator.workspace.commits import commit_files, integrate
from atos.orchestrator.workspace.opening import open_repository
from atos.orchestrator.workspace.repository import (
    Repository,
    repository_from_json,
    repository_to_json,
)
from atos.orchestrator.workspace.scaffold import record_path
from atos.orchestrator.workspace.worktrees import close_repository, open_result
from atos.scheduler.errors import AtosError

VERIFY_SECONDS = 40.0

log = logging.getLogger(__name__)


class GoalWorkflow:
    """The body of a goal's run; its argument is a `GoalOrder`, its result `{"state": ...}`."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(self, argument: Json) -> Json:
        """Bring one goal to its end, whatever happens to it."""
        order = order_from_json(argument)
        course = _Course(self._crew, order)
        try:
            ending = await course.run()
        except LimitReachedError as error:
            ending = Ending("limit_reached", str(error), error.to_wire())
        except AtosError as error:
            ending = Ending("failed", str(error), error.to_wire())
        except Exception as error:
            log.exception("goal %s failed", order.goal)
            message = f"{type(error).__name__}: {error}"
            wire = {"code": "internal", "message": message, "next": "See logs/worker.log."}
            ending = Ending("failed", message, wire)
        await course.finish(ending)
        return {"state": ending.state}


@dataclass(slots=True)
class _Course:
    """One execution of a goal: what its steps have brought so far."""

    crew: Crew
    order: GoalOrder
    steps: DurableSteps = field(init=False)
    emit: DurableEmit = field(init=False)
    repository: Repository | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def __post_init__(self) -> None:
        self.steps = DurableSteps(self.crew.runtime, "goal")
        self.emit = DurableEmit(self.crew.events, self.order.goal)

    async def run(self) -> Ending:
        """Do everything but the last step."""
        repository = repository_from_json(await self.steps("intake", self._intake))
        self.repository = repository
        plan = await planned(self.crew, self.order, self.steps, self.emit)
        await self._run_tasks(plan, repository)
        verified = None
        if any(outcome.state == "done" for outcome in self.outcomes.values()):
            verified = Verification(**await self.steps("verify", lambda: self._verify(repository)))
        ending = end_of(plan, self.outcomes, verified, str(repository.path))
        await self.steps("record", lambda: self._record(plan, verified, repository))
        return ending

    async def _intake(self) -> Json:
        order, settings = self.order, self.crew.settings
        repository = await open_repository(
            Path(order.into) if order.into else None,
            order.slug,
            goal=order.goal,
            text=order.text,
            home=settings.home,
            workspaces=settings.workspaces,
            started_at=order.submitted_at,
        )
        started = {"engine": order.engine, "models": list(order.models)}
        self.emit("goal_started", started | {"repository": str(repository.path)}, key="start")
        if order.announcement:
            self.emit("announcement", {"text": order.announcement}, key="engine")
        return repository_to_json(repository)

    async def _run_tasks(self, plan: Plan, repository: Repository) -> None:
        """Run the DAG: a task starts the moment its own dependencies are done."""
        running: dict[str, str] = {}
        while True:
            now = next_tasks(plan, {name: each.state for name, each in self.outcomes.items()})
            fresh = replace(now, start=tuple(t for t in now.start if t not in running.values()))
            if fresh.start or fresh.skip:
                await self.steps("advance", lambda now=fresh: self._advance(now))
            for task_id in fresh.skip:
                self.outcomes[task_id] = Outcome("skipped")
            for task_id in fresh.start:
                run = f"{self.order.goal}:{task_id}"
                argument = task_argument(self.order, plan.task(task_id), repository)
                await self.crew.runtime.submit(TASK, run, argument, queue=TASKS)
                running[run] = task_id
            if not running:
                return
            ended = await self.crew.runtime.wait(list(running))
            told = await self.crew.runtime.result(ended)
            await self._settle(running.pop(ended), told, repository)

    async def _advance(self, now: Next) -> Json:
        used = time.time() - self.order.submitted_at
        for task_id in now.skip:
            emit = DurableEmit(self.crew.events, self.order.goal, task_id)
            emit("task_done", {"state": "skipped", "rounds": 0}, key="end")
        for task_id in now.start:
            emit = DurableEmit(self.crew.events, self.order.goal, task_id)
            emit("task_queued", {}, key="queue")
        return {"used": used}

    async def _settle(self, task_id: str, told: Json, repository: Repository) -> None:
        """Integrate what a task made; a conflict is a failure of that task."""
        try:
            await self.steps("integrate", lambda: self._integrate(task_id, told, repository))
        except AtosError as error:
            wire = error.to_wire()
            self.outcomes[task_id] = Outcome("failed", None, wire)
            await self.steps(
                "integrate", lambda: self._integrate(task_id, {"error": wire}, repository)
            )
            return
        result = result_from_json(told["result"]) if "result" in told else None
        done = result is not None and result.outcome == "done"
        self.outcomes[task_id] = Outcome("done" if done else "failed", result, told.get("error"))

    async def _integrate(self, task_id: str, told: Json, repository: Repository) -> Json:
        emit = DurableEmit(self.crew.events, self.order.goal, task_id)
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

    async def _verify(self, repository: Repository) -> Json:
        folder = await open_result(repository)
        verdict = await self.crew.tools(
            "code_runner",
            "run_pytest",
            {
                "path": str(folder),
                "timeout_s": VERIFY_SECONDS,
                "policy": "catalogue" if self.order.profile == "mini" else "general",
            },
            roots=[repository.trees],
        )
        counts = {"passed": verdict["passed"], "failed": verdict["failed"]}
        ran = counts | {
            "isolation": verdict["isolation"]["rung"],
            "uid": verdict["uid"],
            "interpreter": verdict["interpreter"],
        }
        times = {"started_at": verdict["started_at"], "ended_at": verdict["ended_at"]}
        tested = {"which": "verify", "ok": verdict["ok"]}
        self.emit("tests_run", ran | times | tested, key="verify")
        self.emit("goal_verified", ran, key="verify")
        return counts | {"ok": verdict["ok"], "digest": "" if verdict["ok"] else verdict["digest"]}

    async def _record(
        self, plan: Plan, verified: Verification | None, repository: Repository
    ) -> Json:
        models = sorted({o.result.model for o in self.outcomes.values() if o.result} - {""})
        engines = sorted({o.result.engine for o in self.outcomes.values() if o.result} - {""})
        by = {"engine": ", ".join(engines) or self.order.engine, "models": ", ".join(models)}
        text = record(self.order.text, plan, self.outcomes, verified, by)
        files = {record_path(repository.slug): text}
        key = f"{self.order.goal}:record"
        return {"commit": await commit_files(repository, files, "Tell how it came about", key=key)}

    async def finish(self, ending: Ending) -> None:
        """Do the last step: say how it ended, and clean up."""
        await self.steps("aggregate", lambda: self._aggregate(ending))

    async def _aggregate(self, ending: Ending) -> Json:
        data = {"state": ending.state, "summary": ending.summary, "error": ending.error}
        self.emit("goal_finished", data, key="end")
        if self.repository is not None:
            await close_repository(self.repository)
        return {}
