"""Puts the real crew together: tools over MCP, models over the scheduler, the two graphs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from atos.clients.tools import ToolClient
from atos.orchestrator.agents.live import LiveChat
from atos.orchestrator.debugging import debug_task
from atos.orchestrator.execution.crew import Crew
from atos.orchestrator.execution.dbos_runtime import DbosRuntime
from atos.orchestrator.execution.event_store import EventStore
from atos.orchestrator.planning import plan
from atos.scheduler.client import SchedulerClient
from atos.scheduler.settings import Settings


@asynccontextmanager
async def hire(
    settings: Settings, runtime: DbosRuntime, events: EventStore, scheduler: SchedulerClient
) -> AsyncGenerator[Crew]:
    """Yield a crew whose tools and models are connected when they are first used."""
    async with ToolClient(settings, client="worker") as tools:
        yield Crew(
            settings=settings,
            runtime=runtime,
            events=events,
            chat=lambda goal, task: LiveChat(scheduler, goal=goal, task=task),
            tools=tools.call,
            plan=plan,
            debug=debug_task,
        )
