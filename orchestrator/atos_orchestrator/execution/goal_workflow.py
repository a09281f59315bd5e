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
from dataclasses import dataclass, field, replace

from atos_orchestrator.debugging import result_from_json
from atos_orchestrator.execution.goal_effects import GoalEffects
from atos_orchestrator.execution.goal_input import TASK, GoalInput, goal_input_from_json
from atos_orchestrator.execution.planning import planned
from atos_orchestrator.execution.result_aggregator import GoalOutcome, Outcome, Verification, end_of
from atos_orchestrator.execution.runtime import TASKS
from atos_orchestrator.execution.steps import DurableSteps
from atos_orchestrator.execution.task_workflow import task_argument
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan, next_tasks
from atos_orchestrator.ports import Json
from atos_orchestrator.workspace.repository import (
    Repository,
    repository_from_json,
)
from atos_protocol.errors import AtosError, LimitReachedError

VERIFY_SECONDS = 40.0

log = logging.getLogger(__name__)


class GoalWorkflow:
    """The body of a goal's run; its argument is a `GoalInput`, its result `{"state": ...}`."""

    def __init__(self, deps: WorkflowDeps) -> None:
        self._deps = deps

    async def __call__(self, argument: Json) -> Json:
        """Bring one goal to its end, whatever happens to it."""
        order = goal_input_from_json(argument)
        course = _GoalRun(self._deps, order)
        try:
            ending = await course.run()
        except LimitReachedError as error:
            ending = GoalOutcome("limit_reached", str(error), error.to_wire())
        except AtosError as error:
            ending = GoalOutcome("failed", str(error), error.to_wire())
        except Exception as error:
            log.exception("goal %s failed", order.goal)
            message = f"{type(error).__name__}: {error}"
            wire = {"code": "internal", "message": message, "next": "See logs/worker.log."}
            ending = GoalOutcome("failed", message, wire)
        await course.end(ending)
        log.info("goal %s ended: %s", order.goal, ending.state)
        return {"state": ending.state}


@dataclass(slots=True)
class _GoalRun:
    """One execution of a goal: what its steps have brought so far."""

    deps: WorkflowDeps
    order: GoalInput
    steps: DurableSteps = field(init=False)
    effects: GoalEffects = field(init=False)
    repository: Repository | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def __post_init__(self) -> None:
        self.steps = DurableSteps(self.deps.runtime, "goal")
        self.effects = GoalEffects(self.deps, self.order)

    async def run(self) -> GoalOutcome:
        """Do everything but the last step."""
        steps, effects = self.steps, self.effects
        repository = repository_from_json(await steps("intake", effects.intake))
        self.repository = repository
        plan = await planned(self.deps, self.order, steps, effects.emit())
        await self._run_tasks(plan, repository)
        verified = None
        if any(outcome.state == "done" for outcome in self.outcomes.values()):
            told = await steps("verify", lambda: effects.verify(repository, self.outcomes))
            verified = Verification(**told)
        ending = end_of(plan, self.outcomes, verified, str(repository.path))
        await steps("record", lambda: effects.record(plan, self.outcomes, verified, repository))
        return ending

    async def end(self, ending: GoalOutcome) -> None:
        """Do the last step."""
        await self.steps("aggregate", lambda: self.effects.aggregate(ending, self.repository))

    async def _run_tasks(self, plan: Plan, repository: Repository) -> None:
        """Run the DAG: a task starts the moment its own dependencies are done."""
        running: dict[str, str] = {}
        while True:
            now = next_tasks(plan, {name: each.state for name, each in self.outcomes.items()})
            fresh = replace(now, start=tuple(t for t in now.start if t not in running.values()))
            if fresh.start or fresh.skip:
                await self.steps("advance", lambda now=fresh: self.effects.advance(now))
            for task_id in fresh.skip:
                self.outcomes[task_id] = Outcome("skipped")
            for task_id in fresh.start:
                run = f"{self.order.goal}:{task_id}"
                argument = task_argument(self.order, plan.task(task_id), repository)
                await self.deps.runtime.submit(TASK, run, argument, queue=TASKS)
                running[run] = task_id
            if not running:
                return
            ended = await self.deps.runtime.wait(list(running))
            await self._settle(running.pop(ended), await self._told(ended), repository)

    async def _told(self, run: str) -> Json:
        """Return what a task's run came to; one that the runtime gave up is a failed task."""
        try:
            return await self.deps.runtime.result(run)
        except AtosError as error:
            return {"error": error.to_wire()}

    async def _settle(self, task_id: str, told: Json, repository: Repository) -> None:
        """Integrate what a task made; a conflict is a failure of that task."""
        try:
            await self.steps("integrate", lambda: self.effects.integrate(task_id, told, repository))
        except AtosError as error:
            wire = error.to_wire()
            self.outcomes[task_id] = Outcome("failed", None, wire)
            await self.steps(
                "integrate", lambda: self.effects.integrate(task_id, {"error": wire}, repository)
            )
            return
        result = result_from_json(told["result"]) if "result" in told else None
        done = result is not None and result.outcome == "done"
        self.outcomes[task_id] = Outcome("done" if done else "failed", result, told.get("error"))
