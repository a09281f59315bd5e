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
