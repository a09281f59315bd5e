"""What is decided about a goal before anything is made of it: is it well-formed, and who can do it.

A refusal leaves nothing behind: no goal, no file, no loaded engine. The scheduler says which pools have
members; general models are preferred, and the demonstration model is never chosen beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atos_orchestrator.agents.roles import CODING_POOLS, MINI_POOL, PLANNING_POOL, Profile
from atos_orchestrator.strategies.mini.scope import Refusal, Scope, check
from atos_orchestrator.workspace.opening import check_place
from atos_protocol.errors import BadRequestError, NoModelError, OutOfScopeError, WorkspaceError
from atos_protocol.scheduler_api import Pool

INSTALL = (
    "Install Ollama (https://ollama.com) and run `ollama pull qwen2.5:3b`, or set ATOS_GGUF to a GGUF"
    " file, or ATOS_OPENAI_URL to an OpenAI-compatible server; then ask again."
)
MINI_MODEL = "atos-mini"
MINI_ENGINE = "llama_cpp"
ANNOUNCEMENT = (
    "No general model is installed, so atos-mini does this: a demonstration model of about a million"
    " parameters that comes with ATOS and knows a printed catalogue of small functions only. For"
    " anything else install Ollama and run `ollama pull qwen2.5:3b`."
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Who works on a goal."""

    profile: Profile
    engine: str
    """Empty where it depends on the model that the scheduler binds."""
    models: tuple[str, ...]
    announcement: str = ""


def choose(goal: str, pools: Sequence[Pool], needs: Sequence[str] = ()) -> ModelChoice:
    """Decide who can do a goal with the models that are to be had.

    Args:
        goal: its text.
        pools: what the scheduler has.
        needs: pools that must have a member; by default planning and one of the coding pools.

    Raises:
        OutOfScopeError: only the demonstration model is here, and the goal is not in its catalogue.
        NoModelError: no model at all is here, or none in a pool that is needed.
    """
    members = {pool.name: pool.members for pool in pools}
    coding = [name for name in CODING_POOLS if members.get(name)]
    if members.get(PLANNING_POOL) and coding:
        for name in needs:
            if not members.get(name):
                message = f"pool {name} has no model"
                raise NoModelError(message, next_step=_missing(name, pools))
        models = dict.fromkeys(m for name in (PLANNING_POOL, *coding) for m in members[name][:1])
        return ModelChoice("general", "", tuple(models))
    if not members.get(MINI_POOL):
        message = "no model is installed that could do this"
        raise NoModelError(message, next_step=INSTALL)
    found = check(goal)
    if isinstance(found, Refusal):
        message = f"only the demonstration model atos-mini is here, and {found.reason}"
        raise OutOfScopeError(message, next_step=_next_step(found))
    return ModelChoice("mini", MINI_ENGINE, (MINI_MODEL,), ANNOUNCEMENT)


def _next_step(refusal: Refusal) -> str:
    near = "; ".join(refusal.nearest)
    return f"{INSTALL} atos-mini itself can, for example: {near}."


def _missing(name: str, pools: Sequence[Pool]) -> str:
    known = next((pool.missing for pool in pools if pool.name == name), ())
    return f"Install one of: {', '.join(known)}." if known else INSTALL


def one_task(goal: str, choice: ModelChoice) -> None:
    """Check that a goal is a single task.

    Raises:
        BadRequestError: it names several functions.
    """
    found = check(goal) if choice.profile == "mini" else None
    if isinstance(found, Scope) and len(found.wanted) > 1:
        message = f"this is a goal of {len(found.wanted)} tasks, not one task"
        raise BadRequestError(message, next_step="Start it with start_goal.")


def check_into(into: Path) -> None:
    """Check that a repository can be made or found at `into`; make nothing.

    Raises:
        WorkspaceError: it can't be written, or is a non-empty folder that is no git repository.
    """
    if not into.is_absolute():
        message = f"{into} is not an absolute path"
        raise WorkspaceError(message, next_step="Name the folder from the root.")
    check_place(into)
