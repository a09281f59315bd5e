"""A real worker process whose dependencies are doubles: run as `python -m doubles.double_worker`.

DOUBLE_SECONDS is how long each task takes; DOUBLE_CHILD=1 makes each task wait for a child process;
DOUBLE_ASKS=T1 makes that task ask a question until it has an example.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.worker import run
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.goals import Question
from atos_protocol.settings import Settings
from doubles.workflow_deps_doubles import GivenPlan, OneReply, PassingTools, TimedWork

PLAN = Plan(
    (
        Task("T1", "First", files=("first.py",)),
        Task("T2", "Second", files=("second.py",)),
        Task("T3", "Third", files=("third.py",), depends_on=("T1",)),
    )
)
QUESTION = Question("first(1) gives 1 or 2?", "first(1)", ("1", "2"))
CHILD = "599"
"""The child is `sleep` with this argument."""


class WithChild(TimedWork):
    """A task that waits for a child process, as one does whose tests run in a sandbox."""

    async def __call__(self, context: DebugContext) -> TaskResult:
        async def code() -> Json:
            async with await anyio.open_process(["sleep", CHILD]) as child:
                context.emit("warning", {"text": "child", "pid": child.pid}, key="child")
                await child.wait()
            return {}

        await context.steps("code", code)
        return TaskResult("done", rounds=0)


@asynccontextmanager
async def open_deps(
    settings: Settings, runtime: DbosRuntime, events: EventStore, scheduler: SchedulerClient
) -> AsyncGenerator[WorkflowDeps]:
    """Yield the doubles."""
    seconds = float(os.environ.get("DOUBLE_SECONDS", "0.2"))
    kind = WithChild if os.environ.get("DOUBLE_CHILD") else TimedWork
    asks = dict.fromkeys(os.environ.get("DOUBLE_ASKS", "").split(), QUESTION)
    yield WorkflowDeps(
        settings=settings,
        runtime=runtime,
        events=events,
        chat=lambda _goal, _task: OneReply(),
        tools=PassingTools(),
        plan=GivenPlan(PLAN),
        debug=kind({task.id: seconds for task in PLAN.tasks}, asks=asks),
    )


if __name__ == "__main__":
    sys.exit(run(open_deps))
