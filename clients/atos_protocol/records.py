"""What is asked and told when finished goals' records are removed: plain dataclasses, standard library only.

atos-client clean -> host (`{"op": "clean", ...}`) -> worker, which removes for a few seconds and says how far it came
<- and again, from there on, until nothing is left
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from atos_protocol.errors import BadRequestError

DAY = 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """Which records are to be removed."""

    older_than: float = 0.0
    """Seconds since a goal ended; not used where one is named."""
    goal: str = ""
    """One goal, whatever its age; also one that needs help."""
    dry_run: bool = False
    """Count only."""
    after: int = 0
    """`next` of the report before; 0 at first."""


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What became of a request."""

    goals: int = 0
    """Removed, or with `dry_run` those that would be."""
    bytes: int = 0
    """What their records took: rows of the database and files below the home."""
    need_help: int = 0
    """Old enough, and kept, because they may still go on."""
    unpublished: int = 0
    """Old enough, and kept, because their work is nowhere else."""
    next: int = 0
    """Where to go on; 0 where everything has been looked at."""

    def plus(self, later: CleanReport) -> CleanReport:
        """Return this report and a later one as one."""
        return CleanReport(
            self.goals + later.goals,
            self.bytes + later.bytes,
            self.need_help + later.need_help,
            self.unpublished + later.unpublished,
            later.next,
        )


@dataclass(frozen=True, slots=True)
class RecordsKept:
    """What the records of all goals take, for the host's status."""

    goals: int = 0
    bytes: int = 0
    """Of the goals database, indexes included."""


def clean_request(given: Mapping[str, Any]) -> CleanRequest:
    """Read a request that came over a socket; what it does not say has its default.

    Raises:
        BadRequestError: a field is of another type, or negative.
    """
    values = {f.name: given[f.name] for f in fields(CleanRequest) if f.name in given}
    for name, value in values.items():
        default: object = getattr(CleanRequest(), name)
        kinds = int | float if isinstance(default, float) else type(default)
        if not isinstance(value, kinds) or (isinstance(value, int | float) and not value >= 0):
            message = f"{name} can't be {str(value)[:80]!r}"
            raise BadRequestError(message, next_step="See `atos-client clean --help`.")
    return CleanRequest(**values)
