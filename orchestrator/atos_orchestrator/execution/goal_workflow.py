"""The goal workflow: intake -> plan -> run the DAG -> verify -> record -> aggregate.

    intake      open the repository; `goal_started`
    plan        the planning graph (each node one step); where it is to be reviewed, the run ends here (`plan_review`)
    run DAG     +-> advance    skip what can't start any more, queue what can
                |   wait       for the first task to end, whichever it is: no waves
                +-- integrate  put its commit on the goal's branch, one task after the other
    verify      run the tests of the whole repository
    record      commit the execution log
    deploy      where it was asked for, and the goal is a success
    aggregate   `goal_finished`, clean up

Only the workflow holds the DAG's state, and rebuilds it by replaying its steps: everything outside of
steps is a pure function of their results. Effects carry keys of their own (git trailers, event keys),
because a step that was killed after its effect runs again.

A goal that was resumed has another run, with another id: `intake` finds the repository again, the plan is the
one of the run before, and the tasks that are settled are so from the start (`resumption`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import anyio

from atos_daemon.log_context import log_about
from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.execution.dbos_client import TASKS
from atos_orchestrator.execution.delivery import delivered, deployed, not_deployed
from atos_orchestrator.execution.goal_effects import GoalEffects
from atos_orchestrator.execution.goal_input import TASK, GoalInput, GoalRecord
from atos_orchestrator.execution.goal_notes import with_notes
from atos_orchestrator.execution.plan_review import to_be_reviewed
from atos_orchestrator.execution.plan_workflow import plan_goal
from atos_orchestrator.execution.result_aggregator import (
    GoalOutcome,
    TaskOutcome,
    Verification,
    ended_by,
    goal_outcome,
)
from atos_orchestrator.execution.step_errors import as_atos_error, is_trouble_between_steps
from atos_orchestrator.execution.steps import DurableSteps
from atos_orchestrator.execution.task_workflow import task_argument
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan, next_tasks
from atos_orchestrator.ports import Json
from atos_orchestrator.workspace.publication import Publication
from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import AtosError, WorkspaceError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoalWorkflow:
    """The body of a goal's run; its argument is a `GoalInput`, its result a `GoalRecord`."""

    deps: WorkflowDeps

    async def __call__(self, argument: Json) -> Json:
        """Bring one goal to its end, whatever happens to it."""
        run = _GoalRun(self.deps, decode(GoalInput, argument))
        with log_about(goal=run.goal_input.goal):
            try:
                return await self._brought_to_its_end(run)
            finally:  # also where it is cancelled
                with anyio.CancelScope(shield=True):
                    await run.release()

    async def _brought_to_its_end(self, run: _GoalRun) -> Json:
        goal = run.goal_input.goal
        try:
            outcome = await run.until_recorded()
        except WorkspaceError as error:
            outcome = _unusable(run, error)
        except AtosError as error:
            outcome = ended_by(error.to_wire(), goal)
        except Exception as error:
            if is_trouble_between_steps(error):
                raise  # the runtime has the run begun again
            log.exception("goal %s failed", goal)
            outcome = ended_by(as_atos_error(error, "goal").to_wire(), goal)
        await run.steps("aggregate", lambda: run.effects.aggregate(outcome, run.repository))
        log.info("goal %s ended: %s", goal, outcome.state)
        return encode(run.record(outcome.state))


def _unusable(run: _GoalRun, error: WorkspaceError) -> GoalOutcome:
    """Return how a goal ends whose repository or private folder somebody took away."""
    if run.repository is None and run.goal_input.resumed is None:
        return GoalOutcome("failed", str(error), error.to_wire())
    retry = f"atos-client retry {run.goal_input.goal}"
    step = error.next_step
    if retry not in step:
        step = f"{step} Then: {retry}" if step else f"Try again: {retry}"
    wire = error.to_wire() | {"next": step}
    return GoalOutcome("needs_help", f"{error.message}. {step}", wire)


@dataclass(slots=True)
class _GoalRun:
    """One execution of a goal: what its steps have returned so far."""

    deps: WorkflowDeps
    goal_input: GoalInput
    steps: DurableSteps = field(init=False)
    effects: GoalEffects = field(init=False)
    repository: Repository | None = None
    plan: Plan | None = None
    outcomes: dict[str, TaskOutcome] = field(default_factory=dict[str, TaskOutcome])

    def __post_init__(self) -> None:
        self.effects = GoalEffects(self.deps, self.goal_input)
        emit = self.effects.emit()
        self.steps = DurableSteps(
            self.deps.runtime, "goal", emit, emit.written, self.deps.gate, self.goal_input.goal
        )
        if self.goal_input.resumed is not None:
            self.outcomes.update(self.goal_input.resumed.settled)

    def record(self, state: str) -> GoalRecord:
        """Return what a later run may start from."""
        goal_input = replace(self.goal_input, resumed=None)
        return GoalRecord(state, goal_input, self.plan, self.outcomes, self.repository)

    async def release(self) -> None:
        """Close what was opened for the goal."""
        if self.repository is not None:
            await self.effects.release(self.repository)

    async def until_recorded(self) -> GoalOutcome:
        """Do everything but the last step."""
        steps, effects = self.steps, self.effects
        repository = decode(Repository, await steps("intake", effects.intake))
        self.repository = repository
        plan = await plan_goal(self.deps, self.goal_input, steps, effects.emit())
        self.plan = plan
        if self.goal_input.review:
            await steps("review", lambda: effects.review(plan))
            return to_be_reviewed(self.goal_input.goal, plan)
        await self._run_tasks(plan, repository)
        verified = None
        if any(outcome.state == "done" for outcome in self.outcomes.values()):
            verdict = await steps("verify", lambda: effects.verify(plan, repository, self.outcomes))
            verified = decode(Verification, verdict)
        goal = self.goal_input.goal
        outcome = goal_outcome(plan, self.outcomes, verified, str(repository.path), goal)
        work = effects.record
        recorded = await steps("record", lambda: work(plan, self.outcomes, verified, repository))
        # Runs that were recorded by an earlier version have none.
        told = recorded.get("publication")
        outcome = delivered(outcome, decode(Publication, told) if told else None)
        wanted = self.goal_input.deploy and outcome.state == "success"
        return await self._deployed(outcome, repository) if wanted else outcome

    async def _deployed(self, outcome: GoalOutcome, repository: Repository) -> GoalOutcome:
        """Deploy what was built; that it can't be makes nothing of it undone."""
        try:
            done = await self.steps("deploy", lambda: self.effects.deploy(repository))
        except AtosError as error:
            step = error.next_step or f"atos-client deploy {self.goal_input.goal}"
            return not_deployed(outcome, error.message, step)
        return deployed(outcome, done)

    async def _run_tasks(self, plan: Plan, repository: Repository) -> None:
        """Run the DAG: a task starts the moment its own dependencies are done."""
        running: dict[str, str] = {}
        while True:
            now = next_tasks(plan, {name: each.state for name, each in self.outcomes.items()})
            now = replace(now, start=tuple(t for t in now.start if t not in running.values()))
            notes: list[str] = []
            if now.start or now.skip:
                told = await self.steps("advance", lambda now=now: self.effects.advance(now))
                notes = told.get(
                    "notes", []
                )  # runs that were recorded by an earlier version have none
            for task_id in now.skip:
                self.outcomes[task_id] = TaskOutcome("skipped")
            for task_id in now.start:
                run = f"{self.goal_input.run}:{task_id}"
                argument = task_argument(
                    self.goal_input, with_notes(plan.task(task_id), notes), repository
                )
                await self.deps.runtime.submit(TASK, run, argument, queue=TASKS)
                running[run] = task_id
            if not running:
                return
            ended = await self.deps.runtime.wait(list(running))
            await self._settle(running.pop(ended), await self._result_of(ended), repository)

    async def _result_of(self, run: str) -> Json:
        """Return what a task's run returned; a run that the runtime abandoned is a failed task."""
        try:
            return await self.deps.runtime.result(run)
        except AtosError as error:
            return {"error": error.to_wire()}

    async def _settle(self, task_id: str, returned: Json, repository: Repository) -> None:
        """Integrate what a task made; a conflict is a failure of that task."""

        async def integrate(returned: Json) -> None:
            work = self.effects.integrate
            await self.steps("integrate", lambda: work(task_id, returned, repository))

        try:
            await integrate(returned)
        except AtosError as error:
            returned = {"error": error.to_wire()}
            await integrate(returned)
        result = decode(TaskResult, returned["result"]) if "result" in returned else None
        state = "done" if result is not None and result.outcome == "done" else "failed"
        self.outcomes[task_id] = TaskOutcome(state, result, returned.get("error"))
