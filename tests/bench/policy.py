"""What a policy is: it gets the facts of a problem and says what it would deliver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.outcomes import Facts


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy makes of a problem."""

    choice: int
    """Its best candidate; -1 where there is none."""
    accepted: bool
    """Whether it delivers that candidate."""
    asked: bool = False
    """Whether it asks a person instead."""
    samples: int = 1
    """Candidates that it drew."""
    testers: int = 0
    """Suites that it asked for."""


Policy = Callable[[Facts], Decision]
