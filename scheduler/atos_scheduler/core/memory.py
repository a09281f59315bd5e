"""The ledger: what occupies the memory of every device, and how much of it is left.

A model is charged from the decision to load it until its engine confirms that it is gone, on its device and,
where it lies on a GPU, for what it takes of the machine's memory beside it. The charge is the estimate until
a load has been measured, and the larger of the two from then on. A load needs room on all its devices.
"""

from __future__ import annotations

from collections.abc import Mapping

from atos_scheduler.core.effects import Load
from atos_scheduler.core.events import Adopted
from atos_scheduler.core.transitions import RESIDENCY, Cause
from atos_scheduler.core.types import HOST, Candidate, Charges, Residency


class Memory:
    """All residencies under the budgets of all devices, in bytes.

    Args:
        budgets: of each device, the first one being meant where none is named; or of the only one.
    """

    def __init__(self, budgets: int | Mapping[str, int]) -> None:
        known = {"": budgets} if isinstance(budgets, int) else dict(budgets)
        self.first = next(iter(known))
        self.ceilings = known
        """What could be committed if no other program used the device."""
        self.budgets = dict(known)
        """What may be committed now."""
        self.residencies: dict[str, Residency] = {}
        self._measured: dict[tuple[str, str], dict[str, int]] = {}
        """Model and the device it was placed on -> the most that was seen on each, without further slots."""

    @property
    def budget(self) -> int:
        """What may be committed now on the first device."""
        return self.budgets[self.first]

    @property
    def ceiling(self) -> int:
        """What could ever be committed on the first device."""
        return self.ceilings[self.first]

    @property
    def committed(self) -> int:
        """Bytes of everything loading, resident or evicting on the first device."""
        return self.committed_on(self.first)

    def committed_on(self, device: str) -> int:
        """Return the same of any device."""
        return sum(r.charges.get(device, 0) for r in self.residencies.values())

    def set_budget(self, device: str, budget: int) -> None:
        """Note what may be committed on a device from now on; one that is not known is ignored."""
        name = device or self.first
        if name in self.ceilings:
            self.budgets[name] = min(budget, self.ceilings[name])

    def free(self) -> dict[str, int]:
        """Return the bytes that may be committed now, by device; negative after a budget shrank."""
        return {device: most - self.committed_on(device) for device, most in self.budgets.items()}

    def room(self) -> dict[str, int]:
        """Return the free bytes, with those that are charged but on their way out."""
        found = self.free()
        for residency in self.residencies.values():
            if residency.retiring or residency.state == "evicting":
                for device, size in residency.charges.items():
                    found[device] += size
        return found

    def device(self, candidate: Candidate) -> str:
        """Return the device that a model would lie on."""
        return candidate.device if candidate.device in self.budgets else self.first

    def charges(self, candidate: Candidate) -> dict[str, int]:
        """Return what a model must be charged: its estimate, or what was measured if larger."""
        device = self.device(candidate)
        found = {device: candidate.bytes}
        if candidate.host and device != HOST and HOST in self.budgets:
            found[HOST] = candidate.host
        for name, size in self._measured.get((candidate.model, device), {}).items():
            found[name] = max(size, found.get(name, 0))
        return found

    def fits_now(self, candidate: Candidate) -> bool:
        """Return whether a model would fit if nothing of ours were loaded."""
        return fits(self.charges(candidate), self.budgets)

    def fits_ever(self, candidate: Candidate) -> bool:
        """Return whether a model would fit if nothing at all were loaded."""
        return fits(self.charges(candidate), self.ceilings)

    def accepts_leases(self, model: str) -> bool:
        """Return whether a model is loading, or resident and not retiring."""
        found = self.residencies.get(model)
        return found is not None and not found.retiring and found.state != "evicting"

    def charge(
        self, candidate: Candidate, cause: type[Load | Adopted], now: float, further: int = 0
    ) -> None:
        """Begin a residency: a load, or the adoption of a model that an engine holds already.

        Args:
            candidate: the model.
            cause: which of both.
            now: the moment.
            further: how many slots it gets beyond those that it always has.
        """
        state = RESIDENCY["absent"][cause]
        assert state != "absent"
        charges = self.charges(candidate)
        charges[self.device(candidate)] += further * candidate.slot_bytes
        self.residencies[candidate.model] = Residency(
            model=candidate.model,
            bytes=sum(charges.values()),
            slots=candidate.slots + further,
            further=further * candidate.slot_bytes,
            pinned=candidate.pinned,
            state=state,
            last_used=now,
            charges=charges,
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

    def measure(self, model: str, measured: int, host: int = 0) -> None:
        """Raise a model's charge to what was measured of it, now and for its later loads.

        Args:
            model: one that is resident.
            measured: its bytes on all devices; 0 if the engine does not report them.
            host: those of them in the machine's memory, for a model on another device.
        """
        found = self.residencies[model]
        if not measured:
            return
        found.measured = True
        device = next(iter(found.charges))
        seen = {device: measured - host}
        if host and device != HOST and HOST in self.budgets:
            seen[HOST] = host
        known = self._measured.setdefault((model, device), {})
        for name, size in seen.items():
            own = size - (found.further if name == device else 0)
            known[name] = max(own, known.get(name, 0))
            found.charges[name] = max(size, found.charges.get(name, 0))
        found.bytes = sum(found.charges.values())

    def possible(self, residency: Residency) -> bool:
        """Return whether what a model is charged could ever be within the budgets."""
        return fits(residency.charges, self.ceilings)


def fits(charges: Charges, room: Charges) -> bool:
    """Return whether there is room for a charge on each of its devices."""
    return all(size <= room.get(device, 0) for device, size in charges.items())
