"""What the shell must do, in order; imperatives, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass

from atos_scheduler.core.types import Reason


@dataclass(frozen=True, slots=True)
class Load:
    """Load a model; answer with `Loaded` or `LoadFailed`."""

    model: str
    slots: int = 0
    """With so many; 0: with those that it always has."""


@dataclass(frozen=True, slots=True)
class Evict:
    """Unload an idle model; answer with `Evicted` when its memory is free."""

    model: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Start a waiting request on a model; answer with `Released` when it is over."""

    lease: str
    model: str
    waited: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Fail a waiting request; the core has forgotten it already."""

    lease: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Revoke:
    """Cancel a running request, whose model is gone; its lease is over already."""

    lease: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send a `Tick` at this moment, instead of at any moment named before; None: not at all."""

    at: float | None


Effect = Load | Evict | Grant | Refuse | Revoke | SetTimer
