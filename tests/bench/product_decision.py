"""The arm ATOS: the product's own selection over recorded facts.

With examples, candidates are drawn one by one up to the first that meets them all. Without, all are drawn
and all testers asked; what no group stands behind is asked.
"""

from __future__ import annotations

from atos_orchestrator.debugging.selection import Column, choose, is_enough, meeting
from bench.outcomes import Facts
from bench.policy import Decision


def decide(facts: Facts) -> Decision:
    """Return what ATOS does with these candidates and rows."""
    columns = [Column(c.rows, c.values, loads=not c.load) for c in facts.candidates]
    every = len(columns)
    if facts.examples:
        if good := meeting(columns, facts.examples):
            return Decision(good[0], accepted=True, samples=good[0] + 1)
        return Decision(-1, accepted=False, asked=True, samples=every)
    choice = choose(columns, (), facts.written, decisive=False)
    enough = is_enough(choice, further=False)
    return Decision(
        choice.candidate,
        enough,
        asked=not enough,
        samples=every,
        testers=len(facts.suites),
    )
