"""A goal becomes a plan (its graph follows)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atos.orchestrator.mini.scope import Scope
from atos.orchestrator.plan import Plan
from atos.orchestrator.ports import Chat, Emit, Steps


async def plan(
    goal: str,
    scope: Scope | None,
    steps: Steps,
    chat: Chat,
    emit: Emit,
    *,
    given: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the repaired and classified plan of a goal, and emit `plan_ready`."""
    raise NotImplementedError
