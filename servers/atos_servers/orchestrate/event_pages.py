"""Pages of a goal's events: whole events in their order, as many as fit in a reply. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from atos_servers.host.reply_limit import shrink

PAGE_BYTES = 24_000
"""Bytes of events in one page."""
EVENT_BYTES = 8_000
"""Longest event; the data of a longer one are cut, so that every event comes."""


def page(
    events: Sequence[dict[str, Any]], after: int, newest: int
) -> tuple[list[dict[str, Any]], int]:
    """Return the first events that fit, and the number after which the next page begins.

    Args:
        events: those after number `after`, as JSON objects, in their order.
        after: where this page begins.
        newest: number of the goal's newest event; it is returned when every event is on this page.
    """
    taken: list[dict[str, Any]] = []
    left = PAGE_BYTES
    for event in events:
        fitting = event if _size(event) <= EVENT_BYTES else _shortened(event)
        left -= _size(fitting)
        if left < 0 and taken:
            return taken, taken[-1]["seq"]
        taken.append(fitting)
    return taken, max(newest, after)


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    rest = _size({**event, "data": {}})
    return {**event, "data": shrink(event["data"], max(EVENT_BYTES - rest, 100))}


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
