"""Which lines of which files a measured run reached, from its records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from atos_protocol.verdicts import FileCoverage

MOST_FILES = 100
"""Of one reply; those with the most lines that did not run come first."""


def files_of(records: Iterable[dict[str, Any]]) -> tuple[FileCoverage, ...]:
    """Return what a run reported of each file, in its order."""
    return tuple(
        FileCoverage(
            record["id"],
            statements := int(record.get("statements", 0)),
            missed := min(statements, int(record.get("missed", 0))),
            percent_of(statements, missed),
            str(record.get("lines", "")),
        )
        for record in records
        if record["event"] == "covered"
    )


def worst_first(files: Sequence[FileCoverage]) -> tuple[FileCoverage, ...]:
    """Return the files of one reply."""
    return tuple(sorted(files, key=lambda file: (-file.missed, file.path))[:MOST_FILES])


def total_percent(files: Sequence[FileCoverage]) -> float:
    """Return how much of all files ran."""
    return percent_of(sum(f.statements for f in files), sum(f.missed for f in files))


def percent_of(statements: int, missed: int) -> float:
    """Return the share of statements that ran, in percent; 100 where there is none."""
    return round(100 * (statements - missed) / statements, 1) if statements else 100.0
