"""What the graphs need of atos-mini: its `Wanted` as plain JSON, and its prompts as questions.

atos-mini understands the sentences of its dialect only; a temperature above zero is its only way to
answer differently, so a repair is another sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.roles import MINI_POOL
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.mini import dialect
from atos_orchestrator.strategies.mini.family import Wanted
from atos_orchestrator.strategies.mini.scope import Scope


def wanted_to_json(wanted: Wanted) -> Json:
    """Return the plain form of what a goal asks of the catalogue."""
    return {"family": wanted.family, "slots": dict(wanted.slots), "wording": wanted.wording}


def wanted_from_json(data: Mapping[str, Any]) -> Wanted:
    """Rebuild what `wanted_to_json` wrote."""
    slots = tuple((str(name), int(value)) for name, value in sorted(data["slots"].items()))
    return Wanted(data["family"], slots, data["wording"])


def plan_question(scope: Scope, *, temperature: float, seed: int) -> ModelRequest:
    """Ask atos-mini for a plan."""
    return ModelRequest(
        "planner",
        dialect.plan_messages(scope),
        MINI_POOL,
        schema=dialect.PLAN_SCHEMA,
        max_tokens=dialect.PLAN_TOKENS,
        temperature=temperature,
        seed=seed,
    )


def code_question(wanted: Wanted, *, temperature: float, seed: int) -> ModelRequest:
    """Ask atos-mini for a module and a test of its own."""
    return ModelRequest(
        "coder",
        dialect.code_messages(wanted),
        MINI_POOL,
        max_tokens=dialect.CODE_TOKENS,
        temperature=temperature,
        seed=seed,
    )
