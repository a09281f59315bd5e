"""How a benchmark reports: a table for a person, `build/bench/NAME.json` for a machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BUILD = Path(__file__).parent.parent.parent / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure against its limit or peer."""

    what: str
    median: float
    unit: str
    samples: tuple[float, ...]
    limit: float | None = None
    """The most that is wanted, in the same unit; None where the row is a peer or for information."""

    @property
    def ratio(self) -> float | None:
        """The median as a share of the limit: 1.0 and less is good."""
        return None if self.limit is None else self.median / self.limit


def row(what: str, samples: Sequence[float], unit: str, limit: float | None = None) -> Row:
    """Make a row of the samples' median."""
    return Row(what, statistics.median(samples), unit, tuple(samples), limit)


def report(name: str, rows: Sequence[Row]) -> None:
    """Print the table and write the file."""
    print(f"{name}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'what':52}{'median':>11}{'min':>10}{'max':>10}{'limit':>9}{'ratio':>8}")
    for line in rows:
        limit = "" if line.limit is None else f"{line.limit:.2f}"
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        low, high = min(line.samples), max(line.samples)
        figures = f"{line.median:>9.3f} {line.unit}{low:>9.3f}{high:>10.3f}"
        print(f"{line.what:52}{figures}{limit:>10}{ratio:>8}")
    BUILD.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "system": platform.platform()}
    body = {"machine": machine, "rows": [{**asdict(r), "ratio": r.ratio} for r in rows]}
    (BUILD / f"{name}.json").write_text(json.dumps(body, indent=2), encoding="utf-8")
