"""Why the core did what it did: what else could have answered a demand, and what that would have cost.

A choice is made once and kept with its step, so an explanation needs no second thought: it says what was known then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from atos_scheduler.core.load_times import LoadTimes
from atos_scheduler.core.memory import Memory
from atos_scheduler.core.policy import MayGo, victims
from atos_scheduler.core.types import Candidate, Waiter

Kind = Literal["load", "grant"]


@dataclass(frozen=True, slots=True)
class Option:
    """One model that might have answered."""

    model: str
    bytes: int
    """Of all devices."""
    victims: tuple[str, ...] | None
    """What must go for it; None if too little may go at present."""
    seconds: float
    """Predicted time until it can answer, besides the requests that its victims still answer."""
    state: str
    """`resident`, `loading`, `evicting`, `absent`, or `too large` for what is free of others' programs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One demand, the model that was taken for it, and the others."""

    kind: Kind
    lease: str
    chosen: str
    why: str
    options: tuple[Option, ...]

    @property
    def victims(self) -> tuple[str, ...]:
        """What had to go for the one that was taken."""
        taken = (option for option in self.options if option.model == self.chosen)
        return next((option.victims or () for option in taken), ())


def options(
    candidates: Iterable[Candidate], memory: Memory, times: LoadTimes, may_go: MayGo
) -> tuple[Option, ...]:
    """Return what each candidate would take now."""
    return tuple(_option(c, memory, times, may_go) for c in candidates)


def _option(candidate: Candidate, memory: Memory, times: LoadTimes, may_go: MayGo) -> Option:
    charges = memory.charges(candidate)
    size = sum(charges.values())
    here = memory.residencies.get(candidate.model)
    if here is not None and here.state == "resident":
        return Option(candidate.model, size, (), 0.0, "resident")
    chosen = victims(memory, charges, may_go)
    state = here.state if here else "absent" if memory.fits_now(candidate) else "too large"
    seconds = times.predict(candidate.model, size)
    return Option(
        candidate.model, size, None if chosen is None else tuple(sorted(chosen)), seconds, state
    )


Turn = Literal["first", "fewest", "beside"]
"""Why this demand and not another: it is the most urgent; its load saves others; it delays nobody."""


def why_loaded(waiter: Waiter, now: float, turn: Turn, *, bound: bool) -> str:
    """Say why a model is loaded for a demand."""
    waited = f"{waiter.lease}) waited {now - waiter.since:.1f} s, none of its models is loaded"
    pick = (
        "its task is bound to this model" if bound else "this is the first of its models that fits"
    )
    match turn:
        case "first":
            return f"the most urgent demand ({waited}, and {pick}"
        case "fewest":
            return f"this demand ({waited}, and known work needs the fewest loads if this model is next"
        case "beside":
            return (
                f"this demand ({waited}, and there is room beside what the most urgent demand needs"
            )
