"""What the runs of an evaluation reported, put together and made short enough for a reply. Pure.

A run that ends early (a candidate that got at the evaluator, too much memory, too many processes)
costs the candidate that was being evaluated; those after it are left for another run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.sandbox.canonical import cut

REPLY_BYTES = 30_000
"""For all outcomes together: 8,000 tokens, less what stands around them."""
NOT_LOADED = "error: not loaded"
NOT_RUN = "error: not run"
SHORTEST = 12
STEPS = (
    (120, 300), (60, 300), (30, 300), (0, 300), (0, 150), (0, 80), (0, 40), (0, 24), (0, SHORTEST),
)  # fmt: skip
"""Characters of messages and of values, from what is wished for to what always fits."""


@dataclass(slots=True)
class Progress:
    """What has been reported about one candidate."""

    load: str | None = None
    cells: list[str] = field(default_factory=list[str])

    def is_complete(self, cells: int) -> bool:
        """Return whether nothing more is to be expected."""
        return self.load is not None and (self.load != "" or len(self.cells) >= cells)

    def fill(self, cells: int, load: str, next_cell: str, others: str) -> None:
        """Complete it with what became of the rest."""
        if self.load is None:
            self.load = load
        elif self.load == "" and len(self.cells) < cells:
            self.cells.append(next_cell)
        self.cells += [NOT_LOADED if self.load else others] * (cells - len(self.cells))

    def outcome(self, assertions: int) -> CandidateOutcome:
        """Return the candidate's outcome."""
        return CandidateOutcome(
            self.load or "", tuple(self.cells[:assertions]), tuple(self.cells[assertions:])
        )


class Report:
    """The outcomes of all candidates, over as many runs as it takes."""

    def __init__(self, *, candidates: int, assertions: int, calls: int) -> None:
        self._assertions = assertions
        self._cells = assertions + calls
        self._progress = [Progress() for _ in range(candidates)]

    @property
    def left(self) -> list[int]:
        """The candidates that are not complete."""
        return [n for n, each in enumerate(self._progress) if not each.is_complete(self._cells)]

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Take what a run reported."""
        for record in records:
            if record["event"] not in {"load", "cell"}:
                continue
            number: int = record["candidate"]
            if record["event"] == "load":
                self._progress[number].load = record["why"]
            else:
                self._progress[number].cells.append(record["why"])

    def blame(self, reason: str) -> None:
        """Charge the candidate that was being evaluated with the early end of a run."""
        if left := self.left:
            why = f"the run ended: {reason}"
            self._progress[left[0]].fill(self._cells, why, f"error: {why}", NOT_RUN)

    def outcomes(self) -> tuple[CandidateOutcome, ...]:
        """Return all outcomes, short enough for a reply; what did not run counts as timed out."""
        for each in self._progress:
            each.fill(self._cells, "timeout", "timeout", "timeout")
        return fitted([each.outcome(self._assertions) for each in self._progress])


def _shortened(text: str, message: int, value: int) -> str:
    if text.startswith("= "):
        return cut(text, value)
    kind, separator, rest = text.partition(": ")
    if kind == "error" and value == SHORTEST:
        return kind
    if kind == "error":
        name, _, said = rest.partition(": ")
        short = cut(said, message) if message else ""
        return f"error: {cut(name, 60)}: {short}" if short else f"error: {cut(name, 60)}"
    short = cut(rest, message) if message else ""
    return f"{kind}{separator}{short}" if short else kind


def fitted(outcomes: Sequence[CandidateOutcome]) -> tuple[CandidateOutcome, ...]:
    """Shorten what candidates did until all of it fits: messages first, then values."""
    for message, value in STEPS:
        short = _each(outcomes, lambda text, m=message, v=value: _shortened(text, m, v))
        if sum(map(_size, short)) <= REPLY_BYTES:
            return short
    return _each(outcomes, lambda text: _shortened(text, 0, SHORTEST))


def _size(one: CandidateOutcome) -> int:
    return len(json.dumps([one.load, one.rows, one.values], ensure_ascii=False).encode())


def _each(
    outcomes: Sequence[CandidateOutcome], change: Callable[[str], str]
) -> tuple[CandidateOutcome, ...]:
    return tuple(
        CandidateOutcome(one.load, tuple(map(change, one.rows)), tuple(map(change, one.values)))
        for one in outcomes
    )
