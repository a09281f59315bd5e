"""What is evicted: the order of eviction, and when a demand has busy models drained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atos_scheduler.core.memory import Memory, fits
from atos_scheduler.core.types import Candidate, Charges, Residency, Waiter

DRAIN_AFTER = {"interactive": 1.0, "batch": 5.0}
"""Seconds that a demand waits for a busy model to fall idle before it is drained for it.

Meanwhile the busy model takes new leases: work for one model is served together, and there are fewer
swaps. Afterwards it takes none, so the wait is bounded by the requests that already run."""


@dataclass(slots=True)
class Claim:
    """A committed swap: it is carried through, whoever comes later, unless its demand goes away."""

    lease: str
    candidate: Candidate
    victims: set[str]
    """Models that take no new lease and are evicted as they fall idle."""


def drain_at(waiter: Waiter) -> float:
    """Return the moment from which busy models are drained for a demand."""
    return waiter.since + DRAIN_AFTER[waiter.demand.kind]


def eviction_order(residencies: Iterable[Residency]) -> list[Residency]:
    """Return resident models, idle ones first, each group least recently used first.

    Models that are charged nothing are left alone: evicting them would free nothing.
    """
    here = [r for r in residencies if r.state == "resident" and r.bytes and not r.retiring]
    return sorted(here, key=lambda r: (not r.idle, r.last_used))


def victims(memory: Memory, wanted: Charges, *, drain: bool) -> set[str] | None:
    """Choose the models to evict so that `wanted` fits; None if too few may go.

    Bytes that are already on their way out count as room to come. Busy models are chosen only if
    `drain` is set, and only after the idle ones. A model that frees nothing where it is short stays.
    """
    room = memory.room()
    chosen = set[str]()
    for residency in eviction_order(memory.residencies.values()):
        short = {device for device, size in wanted.items() if size > room.get(device, 0)}
        if not short:
            break
        if (residency.idle or drain) and short & residency.charges.keys():
            chosen.add(residency.model)
            _add(room, residency)
    return chosen if fits(wanted, room) else None


def _add(room: dict[str, int], residency: Residency) -> None:
    for device, size in residency.charges.items():
        room[device] = room.get(device, 0) + size


def top_up(memory: Memory, claim: Claim) -> None:
    """Add victims to a claim that no longer frees enough, since the budget or a charge changed."""
    wanted = memory.charges(claim.candidate)
    room = memory.room()
    for model in claim.victims:
        victim = memory.residencies.get(model)
        if victim and victim.state == "resident" and not victim.retiring:
            _add(room, victim)
    if not fits(wanted, room):
        claim.victims |= victims(memory, wanted, drain=True) or set()
