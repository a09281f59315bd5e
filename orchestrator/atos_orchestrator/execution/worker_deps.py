"""Puts the real dependencies together: tools over MCP, models over the scheduler, the two graphs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from atos.scheduler_client import SchedulerClient
from atos.tools import ToolClient
from atos_orchestrator.agents.model_client import ModelClient
from atos_orchestrator.debugging import debug_task
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.planning import plan
from atos_protocol.settings import Settings


@asynccontextmanager
async def hire(
    settings: Settings, runtime: DbosRuntime, events: EventStore, scheduler: SchedulerClient
) -> AsyncGenerator[WorkflowDeps]:
    """Yield dependencies whose tools and models are connected when they are first used."""
    async with ToolClient(settings, client="worker") as tools:
        yield WorkflowDeps(
            settings=settings,
            runtime=runtime,
            events=events,
            chat=lambda goal, task: ModelClient(scheduler, goal=goal, task=task),
            tools=tools.call,
            plan=plan,
            debug=debug_task,
        )
