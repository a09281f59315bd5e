"""Everything that the workflows need of the world, in one place; the worker builds it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from atos_orchestrator.agents.roles import Profile
from atos_orchestrator.debugging import TaskResult
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.runtime import DurableRuntime
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Chat, Emit, Steps, Tools
from atos_orchestrator.strategies.mini.scope import Scope
from atos_orchestrator.task import Task
from atos_protocol.settings import Settings

ChatFor = Callable[[str, str], Chat]
"""Makes the model seam of a goal and a task (empty: the goal itself)."""


class Planner(Protocol):
    """Turns a goal into a repaired plan; see `planning.plan`."""

    async def __call__(
        self,
        goal: str,
        scope: Scope | None,
        steps: Steps,
        chat: Chat,
        emit: Emit,
        *,
        given: Mapping[str, Any] | None = None,
    ) -> Plan:
        """Return the plan, having emitted `plan_ready`."""
        ...


class Debugger(Protocol):
    """Works on a task until its tests pass; see `debugging.debug_task`."""

    async def __call__(
        self,
        task: Task,
        workspace: Path,
        profile: Profile,
        steps: Steps,
        chat: Chat,
        tools: Tools,
        emit: Emit,
    ) -> TaskResult:
        """Return what became of it."""
        ...


@dataclass(frozen=True, slots=True)
class WorkflowDeps:
    """Who does the work of the workflows."""

    settings: Settings
    runtime: DurableRuntime
    events: EventStore
    chat: ChatFor
    tools: Tools
    plan: Planner
    debug: Debugger
