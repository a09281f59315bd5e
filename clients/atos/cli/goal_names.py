"""Which goal a person means: by its id, the beginning of it, its folder, or words of its text. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from atos.cli.formatting import clean
from atos_protocol.errors import NotFoundError

Json = Mapping[str, Any]
SHORTEST = 3
"""Characters of a beginning or a word that may name a goal: fewer name too many."""
MOST_SHOWN = 5


def meant(given: str, goals: Sequence[Json]) -> str:
    """Return the id of the one goal that is meant.

    Args:
        given: what the person wrote.
        goals: newest first, as `list_goals` tells of them.

    Raises:
        NotFoundError: none is meant, or several are; the next step names them.
    """
    for fits in (_begins, _folder, _words):
        found = [goal for goal in goals if len(given) >= SHORTEST and fits(given, goal)]
        if len(found) == 1:
            return str(found[0]["id"])
        if found:
            message = f"{clean(given, 60)!r} may be any of {len(found)} goals"
            raise NotFoundError(message, next_step=f"Name one by its id: {_named(found)}.")
    message = f"there is no goal {clean(given, 60)!r}"
    raise NotFoundError(message, next_step=_near(given, goals))


def _begins(given: str, goal: Json) -> bool:
    return str(goal["id"]).startswith(given)


def _folder(given: str, goal: Json) -> bool:
    return PurePath(str(goal.get("repository") or "")).name == given


def _words(given: str, goal: Json) -> bool:
    text = str(goal["goal"]).casefold()
    return all(word in text for word in given.casefold().split())


def _near(given: str, goals: Sequence[Json]) -> str:
    if not goals:
        return 'There is none yet: atos-client build "..."'
    near = difflib.get_close_matches(given, [str(goal["id"]) for goal in goals], 2)
    if near:
        return f"Did you mean {' or '.join(near)}? `atos-client status` lists all."
    return f"The newest: {_named(goals[:3])}. `atos-client status` lists all."


def _named(goals: Sequence[Json]) -> str:
    told = [f"{goal['id']} ({clean(goal['goal'], 40)})" for goal in goals[:MOST_SHOWN]]
    more = [f"{len(goals) - MOST_SHOWN} more"] if len(goals) > MOST_SHOWN else []
    return ", ".join(told + more)
