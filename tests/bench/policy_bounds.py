"""What the policy is held to: each bound with its figure, and the table as docs/scheduler.md shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

OTHERS = ("Ollama, 1 slot", "Ollama, 3 slots", "llama-swap", "collating LRU")
TUNED = "Ollama, 3 slots"
EARLY = "ours, bound early, slots decided"
SHOWN = (*OTHERS, "ours, no plans", EARLY, "ours, fixed slots", "ours")
WORK = ("mix", "burst", "mix, wrong")
"""Whose makespan is compared with the best of the others."""
MAKESPAN, LATE_BINDING, WAIT, LOADS, OPTIMUM = 1.02, 1.25, 1.1, 0.35, 1.02


class Cell(Protocol):
    """A row of the bench."""

    @property
    def workload(self) -> str: ...
    @property
    def card(self) -> str: ...
    @property
    def policy(self) -> str: ...
    @property
    def makespan(self) -> float: ...
    @property
    def wait_p99(self) -> float: ...
    @property
    def loads(self) -> float: ...
    @property
    def loads_per_request(self) -> float: ...
    @property
    def over(self) -> float: ...


Rows = Sequence[Cell]


def bounds(rows: Rows, optimum: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return each bound as a line that says whether it holds."""
    return [
        f"{'holds ' if holds else 'MISSED'}  {what}: {value:.3f} (wanted {wanted})"
        for what, value, wanted, holds in _bounds(rows, optimum)
    ]


def _bounds(
    rows: Rows, optimum: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[str, float, str, bool]]:
    cells = {(row.workload, row.card, row.policy): row for row in rows}
    over = max(row.over for row in rows if row.policy.startswith("ours"))
    yield "loads above the budget", over, "0", over == 0
    for work, card in dict.fromkeys((row.workload, row.card) for row in rows):
        ours, where = cells[work, card, "ours"], f"{work}, {card}"
        if work in WORK:
            ratio = ours.makespan / min(cells[work, card, name].makespan for name in OTHERS)
            yield f"{where}: makespan / best other", ratio, f"<= {MAKESPAN}", ratio <= MAKESPAN
        if work == "fan-out":
            ratio = cells[work, card, EARLY].makespan / ours.makespan
            yield f"{where}: bound early / late", ratio, f">= {LATE_BINDING}", ratio >= LATE_BINDING
        if work == "alternation":
            loads = ours.loads_per_request
            yield f"{where}: loads a request", loads, f"<= {LOADS}", loads <= LOADS
            yield f"{where}: p99 wait (s)", ours.wait_p99, "to be stated", True
        else:
            ratio = ours.wait_p99 / cells[work, card, TUNED].wait_p99
            yield f"{where}: p99 wait / {TUNED}", ratio, f"<= {WAIT}", ratio <= WAIT
    mean = optimum["ours, bound early"][0]
    yield "makespan / optimum, mean", mean, f"<= {OPTIMUM}", mean <= OPTIMUM


def markdown(rows: Rows) -> str:
    """Return the table of the documentation."""
    cells = {(row.workload, row.card, row.policy): row for row in rows}
    heads = ["makespan / p99 wait (s) / loads", *SHOWN]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for work, card in dict.fromkeys((row.workload, row.card) for row in rows):
        found = [cells[work, card, name] for name in SHOWN]
        shown = [f"{c.makespan:.0f} / {c.wait_p99:.0f} / {c.loads:.1f}" for c in found]
        lines.append(f"| {' | '.join([f'{work}, {card}', *shown])} |")
    return "\n".join(lines)
