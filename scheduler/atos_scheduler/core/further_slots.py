"""With how many slots a model is loaded: as many as its work can use, of memory that nothing else needs. Pure.

A model on a GPU writes several replies in hardly more time than one, so a fan-out ends sooner with more slots.
They are never worth an eviction: they take bytes that are free once the model itself is charged, and leave room
for the models that known work will need beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from atos_scheduler.core.memory import fits
from atos_scheduler.core.types import Candidate, Charges


def further_slots(
    candidate: Candidate, device: str, wanted: int, room: Charges, others: Iterable[Charges]
) -> int:
    """Return how many slots beyond its own a model gets.

    Args:
        candidate: the model that is about to be loaded.
        device: where its slots lie.
        wanted: requests that could use it at once.
        room: what is free on each device beside the model with its own slots.
        others: what other models that known work needs would be charged.
    """
    useful = min(wanted, candidate.most_slots) - candidate.slots
    if useful <= 0 or candidate.slot_bytes <= 0:
        return 0
    kept = [other.get(device, 0) for other in others if fits(other, room)]
    return max(0, min(useful, (room.get(device, 0) - max(kept, default=0)) // candidate.slot_bytes))
