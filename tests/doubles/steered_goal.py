"""A goal that is at work on the real runtime, database and git, as a host steers it."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.durable_json import encode
from atos_orchestrator.events import fold
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_input import GOAL, TASK, GoalInput
from atos_orchestrator.execution.goal_pausing import GoalPausing
from atos_orchestrator.execution.goal_steering import GoalSteering
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.goals import Event, GoalView
from atos_protocol.settings import load_settings
from doubles.workflow_deps_doubles import TimedWork, deps_of


def task(number: int, *depends_on: str) -> Task:
    return Task(f"T{number}", f"Part {number}", files=(f"part{number}.py",), depends_on=depends_on)


PLAN = Plan((task(1), task(2), task(3, "T2"), task(4, "T5"), task(5)))


@dataclass
class Told:
    """The goal as a host steers it."""

    deps: WorkflowDeps
    engine: sa.Engine

    @property
    def steering(self) -> GoalSteering:
        acceptance = GoalAcceptance(self.engine, self.deps.events, self.deps.runtime)
        return GoalSteering(acceptance, self.known, self.notify)

    @property
    def pausing(self) -> GoalPausing:
        return GoalPausing(self.deps.events, self.known, self.notify)

    async def notify(self, _: dict[str, Any]) -> None:
        """Have the gate know of pauses; everything else the worker finds by itself."""
        self.deps.gate.close_for(self.deps.events.paused())

    async def known(self, goal: str) -> list[Event]:
        return self.deps.events.read(goal)

    async def until_ended(self, run: str = "g1") -> GoalView:
        await self.deps.runtime.result(run)
        return fold(self.deps.events.read("g1"))


@asynccontextmanager
async def goal(
    work: TimedWork, plan: Plan = PLAN, *, paused: bool = False, **more: Any
) -> AsyncGenerator[Told]:
    """A goal that is at work; `paused` before anything of it began."""
    deps = deps_of(load_settings(), plan, work)
    told = Told(deps, open_database(load_settings()))
    async with working(deps):
        deps.events.append("g1", "goal_submitted", {"goal": "Do it"}, key="submitted")
        if paused:
            await told.pausing.pause("g1")
        goal_input = GoalInput("g1", "Do it", "do-it", "general", time.time())
        argument = encode(replace(goal_input, **more))
        await deps.runtime.submit(GOAL, "g1", argument, queue=GOALS)
        yield told
    told.engine.dispose()


@asynccontextmanager
async def working(deps: WorkflowDeps) -> AsyncGenerator[None]:
    bodies = {GOAL: GoalWorkflow(deps), TASK: TaskWorkflow(deps)}
    async with deps.events.writing(), deps.runtime.worker(bodies):
        yield


def states(view: GoalView) -> Mapping[str, str]:
    return {each.id: each.state for each in view.tasks}
