"""What planning needs, what it carries from node to node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from atos_orchestrator.agents.model_request import Chat
from atos_orchestrator.ports import Emit, Json, Steps
from atos_orchestrator.strategies.strategy import Strategy


class PlanState(TypedDict):
    """What the nodes of planning pass on."""

    raw: Any
    faults: list[str]
    asked: int
    plan: Json
    outcome: str


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What planning needs."""

    goal: str
    """What is wanted."""
    strategy: Strategy
    scope: Json | None
    """What the strategy found out about the goal."""
    steps: Steps
    chat: Chat
    emit: Emit
    given: Mapping[str, Any] | None = None
    """A plan made by the host, as JSON of `Plan` or in the shape that a planning model returns."""
    examples: tuple[str, ...] = ()
    """Assertions that the caller handed in."""
    tests: str = ""
    """Text of a pytest file that the caller handed in."""
