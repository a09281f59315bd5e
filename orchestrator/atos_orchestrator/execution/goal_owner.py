"""Whose a goal is: the token with which it was started over HTTP, as its first event says.

A goal that the person started has no owner. Ownership is part of the event that accepts the goal, so there is
no goal without it and no other record of it.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from atos_orchestrator.execution.event_table import EVENTS


def owner_of(engine: sa.Engine, goal: str) -> str:
    """Return the owner of a goal; "" for the person, or where there is no such goal."""
    first = sa.select(EVENTS.c.data).where(EVENTS.c.goal == goal, EVENTS.c.kind == "goal_submitted")
    with engine.connect() as connection:
        data = connection.execute(first.order_by(EVENTS.c.seq).limit(1)).scalar()
    return str(json.loads(data).get("owner") or "") if data else ""


def key_of(owner: str, key: str) -> str:
    """Return a caller's key so that no other caller has the same."""
    return f"{owner}\0{key}" if owner and key else key


def submissions_of(
    engine: sa.Engine, owner: str, limit: int, before: int = 0
) -> list[tuple[int, str]]:
    """Return `(seq, goal)` of an owner's submissions, newest first, older than `before` (0: all)."""
    # in a text of the caller's the quotes would be escaped, so nothing else in `data` looks like this
    marked = EVENTS.c.data.contains(f'"owner":"{owner}"', autoescape=True)
    query = sa.select(EVENTS.c.seq, EVENTS.c.goal)
    query = query.where(EVENTS.c.kind == "goal_submitted", marked)
    if before:
        query = query.where(EVENTS.c.seq < before)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(EVENTS.c.seq.desc()).limit(limit)).all()
    return [(int(row.seq), str(row.goal)) for row in rows]
