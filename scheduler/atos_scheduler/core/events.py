"""What can happen to the core; past participles, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.plans import PlannedStep
from atos_scheduler.core.types import Candidate, Reason


@dataclass(frozen=True, slots=True)
class Requested:
    """A request wants a lease on one of its candidates."""

    lease: str
    candidates: tuple[Candidate, ...]
    demand: Demand
    pool: str
    deadline: float
    """Moment, on the clock of `now`, after which it need not be granted any more."""


@dataclass(frozen=True, slots=True)
class Released:
    """A request is over: answered, cancelled while it waited, or its client disconnected."""

    lease: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine holds a model now."""

    model: str
    bytes: int
    """Measured footprint; 0 if the engine does not report it."""
    host: int = 0
    """The part of it in the machine's memory, for a model on another device."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A resident model was measured again: engines grow while they answer."""

    model: str
    bytes: int
    host: int = 0
    """As in `Loaded`."""


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """An engine could not load a model; nothing of it is in memory."""

    model: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Evicted:
    """An engine confirmed that a model's memory is free again."""

    model: str


@dataclass(frozen=True, slots=True)
class EngineLost:
    """A resident model is gone without an eviction: its engine crashed or dropped it."""

    model: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Adopted:
    """An engine holds a model that nobody here loaded."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class UnloadAsked:
    """A model is to be evicted once its present requests are over."""

    model: str


@dataclass(frozen=True, slots=True)
class ForeignChanged:
    """Other programs took or freed memory: the bytes that may be committed now."""

    budget: int
    device: str = ""
    """Which device; "" is the ledger's first."""


@dataclass(frozen=True, slots=True)
class PlanPublished:
    """A goal says what it will still ask for; without steps it says that it is over."""

    goal: str
    steps: tuple[PlannedStep, ...]
    until: float
    """Moment from which the plan is not believed any more."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment of the last `SetTimer` has come."""


Event = (
    Requested
    | Released
    | Loaded
    | Measured
    | LoadFailed
    | Evicted
    | EngineLost
    | Adopted
    | UnloadAsked
    | ForeignChanged
    | PlanPublished
    | Tick
)
