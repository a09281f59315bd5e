"""`atos-client clean`: what is kept of goals that have ended is removed; the worker does it."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from dataclasses import asdict

from atos.cli.formatting import bytes_text
from atos.cli.host_connection import HostClient
from atos_protocol.errors import BadRequestError
from atos_protocol.records import DAY, CleanReport, CleanRequest
from atos_protocol.settings import Settings

UNITS = {"d": DAY, "h": 3600.0, "m": 60.0}
AGE = re.compile(r"(\d+(?:\.\d+)?)([dhm])", re.ASCII)


def clean(arguments: Namespace, settings: Settings) -> int:
    """Remove, slice by slice; ended in between, what is removed is removed, and a second call goes on."""
    host = HostClient(settings, "host")
    request = CleanRequest(
        older_than=seconds_of(arguments.older_than),
        goal=arguments.goal or "",
        dry_run=arguments.dry_run,
    )
    whole, after = CleanReport(), 0
    while True:
        asked = asdict(request) | {"after": after}
        part = CleanReport(**host.ask("clean", **asked))
        whole = whole.plus(part)
        if not part.next:
            break
        after = part.next
        if sys.stderr.isatty() and not arguments.json:
            print(f"\r{report_lines(whole, dry_run=request.dry_run)[0]} ", end="", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"dry_run": request.dry_run} | asdict(whole)))
    else:
        print("\n".join(report_lines(whole, dry_run=request.dry_run)))
    return 0


def seconds_of(age: str) -> float:
    """Return the seconds of `30d`, `12h` or `5m`.

    Raises:
        BadRequestError: it is none of these.
    """
    if (found := AGE.fullmatch(age.strip())) is None:
        message = f"{age[:40]!r} is not an age"
        raise BadRequestError(message, next_step="Write 30d, 12h or 5m.")
    return float(found[1]) * UNITS[found[2]]


def report_lines(report: CleanReport, *, dry_run: bool) -> list[str]:
    """Say what was removed, and what is old enough and stays."""
    did = "would remove" if dry_run else "removed"
    goals = f"{report.goals} goal{'s' * (report.goals != 1)}"
    lines = [f"{did} the records of {goals}, {bytes_text(report.bytes)}; repositories stay"]
    if report.need_help:
        lines.append(
            f"{report.need_help} may still go on and stay: see atos-client status,"
            " or remove one: atos-client clean --goal GOAL"
        )
    if report.unpublished:
        lines.append(
            f"{report.unpublished} hold work that is nowhere else and stay:"
            " publish it: atos-client retry GOAL"
        )
    return lines
