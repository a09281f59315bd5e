"""The strategies, in order of preference: the only module that knows which ones there are."""

from __future__ import annotations

from collections.abc import Sequence

from atos_orchestrator.strategies.general.strategy import GeneralStrategy
from atos_orchestrator.strategies.mini.strategy import MiniStrategy
from atos_orchestrator.strategies.strategy import INSTALL, ModelChoice, Strategy, refused_models
from atos_protocol.errors import NoModelError
from atos_protocol.scheduler_api import Pool

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy for strategy in (GeneralStrategy(), MiniStrategy())
}


def strategy_named(name: str) -> Strategy:
    """Return the strategy that a goal's input names.

    Raises:
        KeyError: there is none of that name.
    """
    return STRATEGIES[name]


def select_models(goal: str, pools: Sequence[Pool], needs: Sequence[str] = ()) -> ModelChoice:
    """Decide who works on a goal: the first strategy whose models are installed.

    A refusal leaves nothing behind: no goal, no file, no loaded model.

    Args:
        goal: its text.
        pools: what the scheduler has.
        needs: pools that must have a model, beside those that every goal needs.

    Raises:
        NoModelError: no model is installed, or none in a needed pool.
        OutOfScopeError: the installed models can't do this goal.
    """
    for strategy in STRATEGIES.values():
        choice = strategy.select(goal, pools, needs)
        if choice is not None:
            return choice
    message = f"no model is installed that could do this{refused_models(pools)}"
    raise NoModelError(message, next_step=INSTALL)
