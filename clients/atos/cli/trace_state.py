"""How far traces that are sent while goals run have come, for `doctor`."""

from __future__ import annotations

import json
import time
from typing import Any

from atos_protocol.redaction import redacted
from atos_protocol.settings import Settings


def trace_state(settings: Settings) -> tuple[bool, str]:
    """Return whether all is well with the place that `ATOS_TRACE_TO` names, and how it stands in words.

    The file is the exporter's own (`atos_orchestrator.live_traces.position`).
    """
    to = redacted(settings.trace_to)
    try:
        found: dict[str, Any] = json.loads((settings.state / "traces.json").read_text("utf-8"))
    except (OSError, ValueError):
        return True, f"to {to}: nothing yet"
    waiting = len(found.get("waiting") or ())
    goals = f"{waiting} goal{'s' * (waiting != 1)}"
    if since := found.get("failing_since"):
        clock = time.strftime("%H:%M:%S", time.localtime(since))
        return False, f"to {to}: since {clock} {goals} wait, {found.get('error')}"
    return True, f"to {to}: " + (f"{goals} not over yet" if waiting else "all sent")
