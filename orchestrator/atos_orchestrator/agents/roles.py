"""Who does what, with which kind of model, and in which language it is spoken to."""

from __future__ import annotations

from typing import Literal

Profile = Literal["general", "mini"]
"""`general`: instruction-tuned models behind the four pools. `mini`: atos-mini, which understands its
own few sentences only and has a pool of its own."""

Role = Literal["planner", "classifier", "coder", "tester", "writer", "reflector"]

MINI_POOL = "mini"
PLANNING_POOL = "orchestrator"
CODING_POOLS = ("simple", "medium", "complex")
"""Weakest first: where a task fails, the next pool has a try."""


def stand_ins(pool: str) -> tuple[str, ...]:
    """Return the pools that may answer for one that has no model here, best first.

    A stronger model can do a weaker one's work, and a weaker one may at least try. Nobody stands in
    for atos-mini, nor it for anybody.
    """
    if pool not in CODING_POOLS:
        return ()
    at = CODING_POOLS.index(pool)
    return (*CODING_POOLS[at + 1 :], *reversed(CODING_POOLS[:at]))
