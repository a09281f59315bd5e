"""Everything that the workflows need from outside, in one place; the worker opens it once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio.to_thread

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.agents.model_client import ModelClient
from atos_orchestrator.agents.model_request import Chat, ModelRequest, Reply
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import GoalInput, Limits
from atos_orchestrator.execution.goal_notes import limits_now
from atos_orchestrator.execution.pause_gate import PauseGate
from atos_orchestrator.execution.queued_tools import QueuedTools
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.ports import Emit, Tools
from atos_orchestrator.time_spent import Work
from atos_protocol.settings import Settings


@dataclass(frozen=True, slots=True)
class LimitedChat:
    """Implements `Chat` until the goal's limits are reached.

    They are checked inside a durable step, so that a replay repeats the verdict.
    """

    chat: Chat
    limits: Callable[[], Awaitable[Limits]]
    """Returns what the goal may use, as it is set now."""
    used: Callable[[], Awaitable[Work]]
    """Returns what the goal has used, over all its processes."""

    async def __call__(self, request: ModelRequest) -> Reply:
        """Pass a request on.

        Raises:
            LimitReachedError: no more calls for this goal.
        """
        (await self.limits()).check(await self.used())
        return await self.chat(request)


async def _keep(_roots: Sequence[Path]) -> None:
    """Close nothing: these tools have no connections."""


@dataclass(frozen=True, slots=True)
class WorkflowDeps:
    """What does the work of the workflows."""

    settings: Settings
    runtime: DbosRuntime
    events: EventStore
    chat: Callable[[str, str], Chat]
    """Reaches the models on behalf of a goal and a task (empty: the goal itself)."""
    tools: Tools
    """The servers; `tools_of` gives a goal or task its own access."""
    plan: Callable[[PlanContext], Awaitable[Plan]]
    debug: Callable[[DebugContext], Awaitable[TaskResult]]
    release: Callable[[Sequence[Path]], Awaitable[None]] = _keep
    """Closes the connections to the servers that were opened for these folders."""
    gate: PauseGate = field(default_factory=PauseGate)
    """Where the steps of paused goals wait."""

    def tools_of(self, emit: Emit) -> Tools:
        """Return access to the servers that waits its turn, and tells so by `emit`."""
        return QueuedTools(self.tools, emit)

    def limited_chat(self, goal_input: GoalInput, task: str = "") -> Chat:
        """Return access to the models for a goal, or one of its tasks, within the goal's limits."""
        return LimitedChat(
            self.chat(goal_input.goal, task),
            partial(self._limits, goal_input),
            partial(self._used, goal_input.goal),
        )

    async def _limits(self, goal_input: GoalInput) -> Limits:
        await self.events.written(goal_input.goal)
        find = partial(self.events.of_kind, goal_input.goal, "limits_set")
        found = await anyio.to_thread.run_sync(find)
        return limits_now(goal_input.limits, goal_input.revision, found)

    async def _used(self, goal: str) -> Work:
        await self.events.written(goal)
        return await anyio.to_thread.run_sync(self.events.work, goal)


@asynccontextmanager
async def open_workflow_deps(
    settings: Settings, runtime: DbosRuntime, events: EventStore, scheduler: SchedulerClient
) -> AsyncGenerator[WorkflowDeps]:
    """Yield the real dependencies; tools and models are connected when they are first used."""
    # Imported here, because they take a second that a worker with other dependencies need not spend.
    from atos.tools import ToolClient
    from atos_orchestrator.debugging.graph import debug_task
    from atos_orchestrator.planning.graph import make_plan

    async with ToolClient(settings, client="worker", start=False) as tools:
        yield WorkflowDeps(
            settings=settings,
            runtime=runtime,
            events=events,
            chat=lambda goal, task: ModelClient(scheduler, goal, task, settings.seed),
            tools=tools.call,
            plan=make_plan,
            debug=debug_task,
            release=tools.release,
        )
