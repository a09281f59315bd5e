"""What is evicted: who may be taken away from its callers, when, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from atos_scheduler.core.load_times import LoadTimes
from atos_scheduler.core.memory import Memory, fits
from atos_scheduler.core.plans import GRACE, Plans
from atos_scheduler.core.rhythms import Rhythms
from atos_scheduler.core.types import Candidate, Charges, Residency, Waiter

PATIENCE = {"interactive": 1.0, "batch": 90.0}
"""Seconds that a demand waits for a busy model to fall idle before it is drained for it.

Meanwhile the busy model takes new leases: work for one model is served together, and there are fewer
swaps. Afterwards it takes none, so the wait is bounded by the requests that already run."""
DEFERRAL = {"interactive": 0.0, "batch": 30.0}
"""Seconds for which the first demand may be passed over for a load that saves others."""
TENURE = 4.0
"""A model that is in use keeps its place for as long as so many loads of it take.

So at most about a fifth of the time goes into loads, whoever takes turns."""


@dataclass(slots=True)
class Claim:
    """A committed swap: it is carried through, whoever comes later, unless its demand goes away."""

    lease: str
    candidate: Candidate
    victims: set[str]
    """Models that take no new lease and are evicted as they fall idle."""


MayGo = Callable[[Residency], bool]
"""Tells whether a model may be taken away from its callers now."""


def impatient_at(waiter: Waiter) -> float:
    """Return the moment from which busy models are drained for a demand: a third of its time at most."""
    return waiter.since + min(PATIENCE[waiter.demand.kind], (waiter.deadline - waiter.since) / 3)


def preferred_from(waiter: Waiter) -> float:
    """Return the moment from which a first demand is loaded for, whatever another order would save."""
    return waiter.since + min(DEFERRAL[waiter.demand.kind], (waiter.deadline - waiter.since) / 6)


class Tenure:
    """When a resident model may be evicted for somebody else's demand."""

    def __init__(self, rhythms: Rhythms, plans: Plans, times: LoadTimes) -> None:
        self._rhythms, self._plans, self._times = rhythms, plans, times

    def ends(self, residency: Residency, waiter: Waiter) -> float:
        """Return the moment from which this model may go for that demand.

        An idle one goes at once, unless its callers are expected back sooner than it could be loaded again.
        A busy one, and one that is pinned, goes when the demand has lost patience. Either has its tenure first, but not before an
        interactive demand if only batch work uses it. Every moment is at most a patience and a tenure away.
        """
        load = self._times.predict(residency.model, residency.bytes)
        tenure = residency.loaded_at + TENURE * load
        if waiter.demand.kind == "interactive" and not residency.interactive:
            tenure = 0.0
        if residency.pinned or not residency.idle:
            return max(tenure, impatient_at(waiter))
        rhythm = self._rhythms.expected_until(residency.model, load)
        expected = max(rhythm, self._plans.expected_until(residency.model))
        return min(max(tenure, residency.last_used + GRACE), expected)


def eviction_order(residencies: Iterable[Residency]) -> list[Residency]:
    """Return resident models, pinned ones last, idle ones first, each group least recently used first.

    Models that are charged nothing are left alone: evicting them would free nothing.
    """
    here = [r for r in residencies if r.state == "resident" and r.bytes and not r.retiring]
    return sorted(here, key=lambda r: (r.pinned, not r.idle, r.last_used))


def victims(memory: Memory, wanted: Charges, may_go: MayGo) -> set[str] | None:
    """Choose the models to evict so that `wanted` fits; None if too few may go.

    Bytes that are already on their way out count as room to come. A model that frees nothing where it is
    short stays.
    """
    room = memory.room()
    chosen = set[str]()
    for residency in eviction_order(memory.residencies.values()):
        short = {device for device, size in wanted.items() if size > room.get(device, 0)}
        if not short:
            break
        if short & residency.charges.keys() and may_go(residency):
            chosen.add(residency.model)
            _add(room, residency)
    return chosen if fits(wanted, room) else None


def _add(room: dict[str, int], residency: Residency) -> None:
    for device, size in residency.charges.items():
        room[device] = room.get(device, 0) + size


def anyone(_: Residency) -> bool:
    """Let every model go, busy ones too."""
    return True


def top_up(memory: Memory, claim: Claim) -> None:
    """Add victims to a claim that no longer frees enough, since the budget or a charge changed."""
    wanted = memory.charges(claim.candidate)
    room = memory.room()
    for model in claim.victims:
        victim = memory.residencies.get(model)
        if victim and victim.state == "resident" and not victim.retiring:
            _add(room, victim)
    if not fits(wanted, room):
        claim.victims |= victims(memory, wanted, anyone) or set()


def left_beside(memory: Memory, claim: Claim) -> dict[str, int]:
    """Return the room on each device that a claim leaves, once its victims are gone."""
    room = memory.room()
    for model in claim.victims:
        victim = memory.residencies.get(model)
        if victim and victim.state == "resident" and not victim.retiring:
            _add(room, victim)
    for device, size in memory.charges(claim.candidate).items():
        room[device] = room.get(device, 0) - size
    return room
