"""The ledger of one budget: what occupies memory, and how much of it is left.

A model is charged from the decision to load it until the engine confirms that it is gone::

            begin            loaded                 evict               drop
    (free) ───────▶ loading ────────▶ resident ────────────▶ evicting ───────▶ (free)
                       │                  │
                       └── drop (failed) ─┴── drop (lost) ──▶ (free)

The charge is the estimate until a load has been measured, and the larger of the two ever after.
"""

from __future__ import annotations

from atos_scheduler.core.types import Candidate, Residency


class Memory:
    """All residencies under one budget."""

    def __init__(self, budget: int) -> None:
        self.ceiling = budget
        """What could be committed if no other program used the device."""
        self.budget = budget
        """What may be committed now."""
        self.residencies: dict[str, Residency] = {}
        self._measured: dict[str, int] = {}

    @property
    def committed(self) -> int:
        """Bytes of everything loading, resident or evicting."""
        return sum(r.bytes for r in self.residencies.values())

    @property
    def free(self) -> int:
        """Bytes that may be committed now; negative after the budget shrank."""
        return self.budget - self.committed

    @property
    def leaving(self) -> int:
        """Bytes that are still charged, but on their way out."""
        return sum(
            r.bytes for r in self.residencies.values() if r.retiring or r.state == "evicting"
        )

    def size(self, candidate: Candidate) -> int:
        """Return what a model must be charged: its estimate, or what was measured if larger."""
        return max(candidate.bytes, self._measured.get(candidate.model, 0))

    def is_coming(self, model: str) -> bool:
        """Tell whether a model is loading, or resident and to stay."""
        found = self.residencies.get(model)
        return found is not None and not found.retiring and found.state != "evicting"

    def begin(self, candidate: Candidate, now: float) -> None:
        """Charge a model that is going to be loaded."""
        size = self.size(candidate)
        self.residencies[candidate.model] = Residency(
            model=candidate.model,
            bytes=size,
            slots=candidate.slots,
            state="loading",
            last_used=now,
        )

    def loaded(self, model: str, measured: int, now: float) -> None:
        """Note that a load is complete; a measurement above the estimate raises the charge."""
        found = self.residencies[model]
        found.state, found.last_used = "resident", now
        if measured:
            found.measured = True
            self._measured[model] = max(measured, self._measured.get(model, 0))
            found.bytes = max(found.bytes, measured)

    def drop(self, model: str) -> Residency | None:
        """Give a model's bytes back to the budget."""
        return self.residencies.pop(model, None)
