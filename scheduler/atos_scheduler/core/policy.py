"""What is evicted: the order of eviction, and when a demand has busy models drained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atos_scheduler.core.memory import Memory
from atos_scheduler.core.types import Candidate, Residency, Waiter

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


def victims(memory: Memory, wanted: int, *, drain: bool) -> set[str] | None:
    """Choose the models to evict so that `wanted` bytes fit; None if too few may go.

    Bytes that are already on their way out count as room to come. Busy models are chosen only if
    `drain` is set, and only after the idle ones.
    """
    room = memory.free + memory.leaving
    chosen = set[str]()
    for residency in eviction_order(memory.residencies.values()):
        if room >= wanted:
            break
        if residency.idle or drain:
            chosen.add(residency.model)
            room += residency.bytes
    return chosen if room >= wanted else None


def top_up(memory: Memory, claim: Claim) -> None:
    """Add victims to a claim that no longer frees enough, since the budget or a charge changed."""
    wanted = memory.size(claim.candidate)
    here = [memory.residencies.get(model) for model in claim.victims]
    room = memory.free + memory.leaving
    room += sum(v.bytes for v in here if v and v.state == "resident" and not v.retiring)
    if room < wanted:
        claim.victims |= victims(memory, wanted, drain=True) or set()
