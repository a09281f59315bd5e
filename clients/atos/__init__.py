"""The Python client library of ATOS.

    from atos import Atos

    with Atos.connect() as atos:  # or `async with`, and `await` before every call
        goal = atos.start_goal("Write a Python function to add two numbers")
        print(goal.result().repository)

The names are imported when they are first used, because `atos-client` lives in this package too and
must start at once.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # as a type checker sees it; `typing` alone takes longer to import than `--version` may
)
if TYPE_CHECKING:
    from typing import Any

    from atos.client import Atos, Goal
    from atos.goal_values import GoalEvent, GoalResult
    from atos.server_tools import ToolReply
    from atos.sync_client import SyncAtos, SyncGoal
    from atos_protocol.errors import AtosError

_MODULES = {
    "Atos": "atos.client",
    "AtosError": "atos_protocol.errors",
    "Goal": "atos.client",
    "GoalEvent": "atos.goal_values",
    "GoalResult": "atos.goal_values",
    "SyncAtos": "atos.sync_client",
    "SyncGoal": "atos.sync_client",
    "ToolReply": "atos.server_tools",
}
__all__ = [
    "Atos", "AtosError", "Goal", "GoalEvent", "GoalResult", "SyncAtos", "SyncGoal", "ToolReply",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)
