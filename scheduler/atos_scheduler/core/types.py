"""What the core talks about: candidates, waiters, residencies and reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atos_protocol.scheduler_api import Demand, ResidencyState

GIB = 1 << 30
MIB = 1 << 20


def size_text(size: int) -> str:
    """Return bytes as a person reads them: `4.6 GiB`, `512.0 MiB`, `900 bytes`."""
    if size >= GIB:
        return f"{size / GIB:.1f} GiB"
    if size >= MIB:
        return f"{size / MIB:.1f} MiB"
    return f"{size} bytes"


HOST = "cpu"
"""The machine's memory as a device: what a model on a GPU takes beside it lies there."""

Charges = Mapping[str, int]
"""Device -> bytes; "" is the first device of the ledger."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a demand came to nothing; `code` is one of `atos_protocol.errors`."""

    code: str
    message: str
    next_step: str = ""
    retry: bool = False
    """Whether the same demand may be met a moment later, where its code does not say so by itself."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer a demand, and what it would take."""

    model: str
    bytes: int
    """Estimated footprint on its device, with all its slots at full context."""
    slots: int
    device: str = ""
    """Where the engine puts it; "" is the ledger's first device."""
    host: int = 0
    """Bytes of the machine's memory beside those, for a model on another device."""
    most_slots: int = 0
    """Up to so many slots pay, where they are decided at the load; 0: always `slots`."""
    slot_bytes: int = 0
    """What each slot beyond `slots` takes of its device."""
    pinned: bool = False
    """It goes last, and only for a demand that has lost patience."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A demand that waits for its grant."""

    lease: str
    candidates: tuple[Candidate, ...]
    """First choice first, as the pool lists them; one if the request named a model."""
    demand: Demand
    pool: str
    since: float
    deadline: float
    """Moment after which the answer is worthless."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its candidates."""
        return tuple(candidate.model for candidate in self.candidates)

    @property
    def binding(self) -> tuple[str, str, str, str] | None:
        """The key under which a task keeps its model, or None if it has no goal."""
        if not (self.pool and self.demand.goal):
            return None
        return (self.demand.goal, self.demand.task, self.demand.role, self.pool)


@dataclass(slots=True)
class Residency:
    """A model that occupies memory, from the decision to load it until its bytes are back."""

    model: str
    bytes: int
    """Of all devices together."""
    slots: int
    state: ResidencyState
    last_used: float
    loaded_at: float = 0.0
    interactive: bool = False
    """An interactive demand was granted on it."""
    charges: dict[str, int] = field(default_factory=dict[str, int])
    """The part of `bytes` on each device."""
    further: int = 0
    """The part of `bytes` for slots beyond those that the model always has."""
    pinned: bool = False
    measured: bool = False
    retiring: bool = False
    """It takes no new lease, and is evicted as soon as the last one ends."""
    leases: set[str] = field(default_factory=set[str])

    @property
    def idle(self) -> bool:
        """Whether it could be evicted at once."""
        return self.state == "resident" and not self.leases
