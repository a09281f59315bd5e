"""`atos-client scheduler`: what it decided and why, what a plan would load, what a goal cost in swaps."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any
from urllib.parse import quote

from atos.cli.formatting import clean, duration_text
from atos.cli.host_connection import HostClient, http_get
from atos_protocol.daemons import connect
from atos_protocol.errors import UnreachableError, from_wire
from atos_protocol.settings import Settings


def scheduler(arguments: Namespace, settings: Settings) -> int:
    """Ask the running scheduler, which is not started for that; or pause and resume all models.

    Raises:
        AtosError: it is down, or knows no such decision or goal.
    """
    if arguments.action in {"pause", "resume"}:
        from atos.cli import leases

        return getattr(leases, arguments.action)(arguments, settings)
    about = quote(_about(arguments, settings), safe="/")
    match arguments.action:
        case "decisions":
            path = f"/atos/v1/decisions?model={about}"
        case "explain":
            path = f"/atos/v1/decisions/{about}"
        case "forecast":
            path = f"/atos/v1/forecast/{about}"
        case _:
            path = f"/atos/v1/receipts/{about}"
    found = http_get(connect("scheduler", settings), path)
    if "atos" in found:
        raise from_wire(found["atos"])
    print(json.dumps(found) if arguments.json else "\n".join(_lines(found)))
    return 0


def _about(arguments: Namespace, settings: Settings) -> str:
    """Return what is asked about; a goal may be named as everywhere else."""
    named = str(arguments.about or "")
    if arguments.action not in {"forecast", "receipt"}:
        return named
    try:
        orchestrate = HostClient(settings, "orchestrate", start=False)
        return str(orchestrate.call("get_goal", {"goal_id": named})["id"])
    except UnreachableError:  # the scheduler knows goals of others, and may be up alone
        return named


def _lines(found: dict[str, Any]) -> list[str]:
    if "decisions" in found:
        return [
            f"{d['seq']:6}  {duration_text(d['ago']):>6} ago  {clean(d['text'])}"
            for d in found["decisions"]
        ] or ["nothing was decided yet: no model was asked for"]
    if "lines" in found:
        return [_line(line) for line in found["lines"]] or ["nothing is left to do"]
    return [found.get("explanation") or f"{found['goal']}: {found['text']}"]


def _line(line: dict[str, Any]) -> str:
    took = f", {line['seconds']:.0f} s" if line["seconds"] else ""
    about = f"{line['task']} on {line['model']}" if line["task"] else line["model"]
    return f"{line['at']:8.1f} s  {line['what']:7}{about}{took}"
