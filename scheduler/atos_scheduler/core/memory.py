"""The ledger of one budget: what occupies memory, and how much of it is left.

A model is charged from the decision to load it until its engine confirms that it is gone. The charge
is the estimate until a load has been measured, and the larger of the two from then on.
"""

from __future__ import annotations

from atos_scheduler.core.effects import Load
from atos_scheduler.core.events import Adopted
from atos_scheduler.core.transitions import RESIDENCY, Cause
from atos_scheduler.core.types import Candidate, Residency


class Memory:
    """All residencies under one budget, in bytes."""

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

    def accepts_leases(self, model: str) -> bool:
        """Return whether a model is loading, or resident and not retiring."""
        found = self.residencies.get(model)
        return found is not None and not found.retiring and found.state != "evicting"

    def charge(self, candidate: Candidate, cause: type[Load | Adopted], now: float) -> None:
        """Begin a residency: a load, or the adoption of a model that an engine holds already."""
        state = RESIDENCY["absent"][cause]
        assert state != "absent"
        self.residencies[candidate.model] = Residency(
            model=candidate.model,
            bytes=self.size(candidate),
            slots=candidate.slots,
            state=state,
            last_used=now,
        )

    def move(self, model: str, cause: Cause) -> Residency | None:
        """Move a residency along its table; None if nothing is there that the cause could move."""
        found = self.residencies.get(model)
        if found is None or (after := RESIDENCY[found.state].get(cause)) is None:
            return None
        if after == "absent":
            del self.residencies[model]
        else:
            found.state = after
        return found

    def measure(self, model: str, measured: int, now: float) -> None:
        """Note a completed load; a measurement above the estimate raises the charge."""
        found = self.residencies[model]
        found.last_used = now
        if measured:
            found.measured = True
            self._measured[model] = max(measured, self._measured.get(model, 0))
            found.bytes = max(found.bytes, measured)
