"""What the shell must do, in order; imperatives, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass

from atos_scheduler.core.types import Reason


@dataclass(frozen=True, slots=True)
class Load:
    """Have the engine load a model; answer with `Loaded` or `LoadFailed`."""

    model: str


@dataclass(frozen=True, slots=True)
class Evict:
    """Have the engine unload an idle model; answer with `Evicted` when its memory is back."""

    model: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Let a request go ahead on a model; answer with `Released` when it is over."""

    lease: str
    model: str
    waited: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell a waiting request that it will not be granted; it is forgotten already."""

    lease: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Revoke:
    """Tell a running request that its model is gone; its lease is over already."""

    lease: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send a `Tick` at this moment, instead of at any moment named before; None: not at all."""

    at: float | None


Effect = Load | Evict | Grant | Refuse | Revoke | SetTimer
