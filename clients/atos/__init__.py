"""The Python client library of ATOS.

    from atos import Atos

    async with Atos.connect() as atos:
        goal = await atos.start_goal("Write a Python function to add two numbers")
        print((await goal.result()).repository)

The names are imported when they are first used, because `atos-client` lives in this package too and
must start at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atos.client import Atos, Goal, GoalEvent, GoalResult

__all__ = ["Atos", "Goal", "GoalEvent", "GoalResult"]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from atos import client

    return getattr(client, name)
