"""The arm ATOS: the product's own selection over recorded facts.

With examples, candidates are drawn one by one up to the first that meets them all; where an earlier one did not, up to two
that agree. Without, all are drawn and all testers asked; what no group stands behind is asked.
"""

from __future__ import annotations

from atos_orchestrator.debugging.second_opinion import opinion_of
from atos_orchestrator.debugging.selection import Column, choose, is_enough, meeting
from bench.outcomes import Facts
from bench.policy import Decision


def decide(facts: Facts) -> Decision:
    """Return what ATOS does with these candidates and rows."""
    columns = [Column(c.rows, c.values, loads=not c.load) for c in facts.candidates]
    every = len(columns)
    if facts.examples:
        return _by_examples(facts, columns)
    choice = choose(columns, (), facts.written, decisive=False)
    enough = is_enough(choice, further=False)
    return Decision(
        choice.candidate,
        enough,
        asked=not enough,
        samples=every,
        testers=len(facts.suites),
    )


def _by_examples(facts: Facts, columns: list[Column]) -> Decision:
    every, good = len(columns), meeting(columns, facts.examples)
    if not good:
        return Decision(-1, accepted=False, asked=True, samples=every)

    def agree(one: int, other: int) -> bool:
        return columns[one].values == columns[other].values

    failed = any(column.loads for column in columns[: good[0]])
    for count in range(1, len(good) + 1):
        found = opinion_of(good[:count], agree, failed_before=failed)
        if not found.is_open:
            return Decision(found.candidate, accepted=True, samples=good[count - 1] + 1)
    found = opinion_of(good, agree, failed_before=True)
    contested = failed and found.rival >= 0
    return Decision(found.candidate, not contested, asked=contested, samples=every)
