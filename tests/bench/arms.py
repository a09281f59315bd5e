"""The arms of `real-humaneval`: policies over the facts of a problem. Pure.

Each gets `Facts`, never `Score`; one that stops early pays for what it used.
"""

from __future__ import annotations

from bench.outcomes import Facts
from bench.policy import Decision, Policy
from bench.product_decision import decide


def greedy(facts: Facts) -> Decision:
    """Deliver what the model says first."""
    return Decision(0, accepted=True)


def first_that_loads(facts: Facts) -> Decision:
    """Deliver the first candidate that can be imported and defines what was asked for."""
    for at, candidate in enumerate(facts.candidates):
        if not candidate.load:
            return Decision(at, accepted=True, samples=at + 1)
    return Decision(-1, accepted=False, samples=len(facts.candidates))


def frozen_suite(facts: Facts) -> Decision:
    """Deliver the first candidate that passes the first tester's whole suite: the rule of 24 November."""
    suite = facts.suites[0] if facts.suites else ()
    for at, candidate in enumerate(facts.candidates if suite else ()):
        if not candidate.load and all(candidate.rows[row] == "pass" for row in suite):
            return Decision(at, accepted=True, samples=at + 1, testers=1)
    return Decision(-1, accepted=False, samples=len(facts.candidates), testers=1)


ARMS: dict[str, Policy] = {
    "bare greedy": greedy,
    "first that loads": first_that_loads,
    "frozen suite": frozen_suite,
    "ATOS": decide,
}
CEILING = "ceiling: best of all"
